"""What nobody foresaw ends with a text and a code of its own, on a host and on a node."""

import json
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ascend_wheelhouse import console
from ascend_wheelhouse.node.install import program as install

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["files", "serial", "stack", "manifest", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


def test_an_unforeseen_exception_is_exit_70_with_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, console.main_guard():
        raise ZeroDivisionError("by hand")
    assert ended.value.code == 70
    told = capsys.readouterr().err
    assert "Traceback" not in told
    kept = next(word for word in told.split() if "ascend-wheelhouse-fault-" in word)
    assert "ZeroDivisionError: by hand" in Path(kept).read_text()
    Path(kept).unlink()


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (OSError(36, "File name too long", "y" * 999), 10, "yyy...: File name too long."),
        (OSError(40, "Too many levels of symbolic links", "loop"), 10, "loop: Too many levels"),
        (OSError(28, "No space left on device"), 10, "A disk that this command writes to is full: No space"),
        (OSError("something else"), 70, "OSError: something else"),
    ],
    ids=["a long name", "a loop", "a full disk", "no file at all"],
)
def test_a_file_that_the_system_refuses_is_exit_10_and_named(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    error: OSError,
    status: int,
    told: str,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(SystemExit) as ended, console.main_guard():
        raise error
    assert ended.value.code == status
    assert told in capsys.readouterr().err


def _prefix(folder: Path, receipt: bytes) -> Path:
    environment = folder / "envs" / "0001"
    (environment / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    (environment / "bin").mkdir()
    (environment / "bin/python").symlink_to(sys.executable)
    (environment / "receipt.json").write_bytes(receipt)
    (folder / ".sglang-npu-prefix").touch()
    (folder / "current").symlink_to("envs/0001")
    return folder


@pytest.mark.parametrize(
    "receipt", [b"", b"garbage", b"[]", b'{"files": 1}', b'{"serial": "x"}', b"\xff", b"[" * 99999]
)
def test_a_receipt_that_is_garbage_is_exit_5(
    tmp_path: Path, receipt: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = _prefix(tmp_path / "p", receipt)
    assert install.main(["--prefix", str(prefix), "--check"]) == 5
    assert "is not a receipt" in capsys.readouterr().err


@settings(max_examples=500, deadline=None)
@given(document=_JSON)
def test_whatever_a_receipt_says_a_check_ends_with_a_known_code(
    tmp_path_factory: pytest.TempPathFactory, document: object
) -> None:
    prefix = _prefix(tmp_path_factory.mktemp("p") / "p", json.dumps(document).encode())
    assert install.main(["--prefix", str(prefix), "--check"]) in {0, 5}
