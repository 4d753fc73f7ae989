"""What is on the disk before something else counts on it: the order of flushes and of names."""

from __future__ import annotations

import ctypes
import errno
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from small_wheelhouse import CELL, MACHINE, SmallWheelhouse, package

from ascend_wheelhouse.node import durable
from ascend_wheelhouse.node.install import payload_notes, program, python_archive, trash

UNSIGNED = "--insecure-no-signature"


@pytest.fixture(autouse=True)
def no_remover(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave what was thrown away: the process that removes it would outlive a test that runs the installer here."""
    monkeypatch.setattr(trash, "empty", lambda _root, **_how: None)


class Order:
    """What was flushed and what was named, in the order of the calls; of a name its last part."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self._note(monkeypatch, durable, "flush", lambda *_folders: "flush")
        self._note(monkeypatch, durable, "flush_names", lambda folder: f"names of {folder.name}")
        self._note(
            monkeypatch, os, "fsync", lambda number: f"file {Path(f'/proc/self/fd/{number}').readlink().name}"
        )
        for name in ("replace", "rename"):
            self._note(monkeypatch, os, name, lambda _source, target: Path(target).name)

    def _note(
        self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, said: Callable[..., str]
    ) -> None:
        real = getattr(owner, name)

        def noting(*words: object) -> object:
            self.calls.append(said(*words))
            return real(*words)

        monkeypatch.setattr(owner, name, noting)

    def holds(self, *calls: str) -> bool:
        """Tell whether some calls came in this order, others between them or not."""
        rest = iter(self.calls)
        return all(call in rest for call in calls)


def test_an_environment_is_on_the_disk_before_its_receipt_and_that_before_it_comes_into_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, order = SmallWheelhouse().write(tmp_path / "house"), Order(monkeypatch)
    assert program.main([f"--bundle={house}", f"--prefix={tmp_path / 'npu'}", UNSIGNED]) == 0
    wanted = ["flush", "file receipt.json.new", "receipt.json", "names of 0001", "current", "names of npu"]
    assert order.holds(*wanted), order.calls


def test_a_rollback_is_on_the_disk_when_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        house = SmallWheelhouse(wheels=[package("alpha", f"{number}.0")]).write(tmp_path / f"house{number}")
        assert program.main([f"--bundle={house}", f"--prefix={tmp_path / 'npu'}", UNSIGNED]) == 0
    order = Order(monkeypatch)
    assert program.main([f"--prefix={tmp_path / 'npu'}", "--rollback"]) == 0
    assert order.holds("current", "names of npu"), order.calls


def test_what_environments_share_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, order = SmallWheelhouse().write(tmp_path / "house"), Order(monkeypatch)
    words = [f"--bundle={house}", f"--prefix={tmp_path / 'npu'}", UNSIGNED, "--offline-index"]
    assert program.main(words) == 0
    (kept,) = (tmp_path / "npu/index").iterdir()
    assert order.holds("flush", kept.name, "flush", "receipt.json"), order.calls
    archive = tmp_path / "cpython-3.11.9-install_only.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(__file__, "python/bin/python3")
    order.calls.clear()
    python_archive.unpack(archive, "d" * 64, tmp_path / "npu", wanted="3.11")
    assert order.calls == ["flush", "d" * 16]


def test_a_package_of_cann_is_on_the_disk_before_it_is_noted_as_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, ascend = f"Ascend-cann-toolkit_8.3.RC2_linux-{MACHINE}.run", tmp_path / "Ascend"
    house = SmallWheelhouse(payloads={name: "exit 0\n"}, cell={**CELL, "npu": "a3"}).write(tmp_path / "house")
    order = Order(monkeypatch)
    words = [
        f"--bundle={house}",
        f"--prefix={tmp_path / 'npu'}",
        UNSIGNED,
        "--payloads",
        f"--ascend={ascend}",
    ]
    assert program.main(words) == 0
    begun = [f"file {payload_notes.NOTES}.new", payload_notes.NOTES, "names of Ascend"]
    assert order.holds(*begun, "flush", *begun, "flush", "receipt.json"), order.calls


def test_a_disk_that_fails_while_it_is_written_leaves_the_environment_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*folders: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(folders[0]))

    house = SmallWheelhouse().write(tmp_path / "house")
    monkeypatch.setattr(durable, "flush", fails)
    assert program.main([f"--bundle={house}", f"--prefix={tmp_path / 'npu'}", UNSIGNED]) == 10
    assert "Input/output error" in capsys.readouterr().err
    assert not (tmp_path / "npu/current").exists()
    assert not list((tmp_path / "npu/envs").iterdir())


def test_a_flush_asks_for_each_file_system_once_and_tells_what_it_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    durable.flush(tmp_path)
    seen = list[Path]()
    monkeypatch.setattr(durable, "_syncfs", lambda _number, folder: seen.append(folder))
    durable.flush(tmp_path, tmp_path.parent, Path("/proc"))
    assert len(seen) == 2
    monkeypatch.undo()
    monkeypatch.setattr(ctypes, "get_errno", lambda: errno.ENOSPC)
    monkeypatch.setattr(durable, "_libc", SimpleNamespace(syncfs=lambda _number: -1))
    with pytest.raises(OSError, match="No space left on device"):
        durable.flush(tmp_path)
