from __future__ import annotations

import base64
import errno
import hashlib
import os
from pathlib import Path

import pytest

from ascend_wheelhouse.node.install import post_install, receipt

SITE = "lib/python3.11/site-packages"
DIGEST = hashlib.sha256(b"text").digest()
ENCODED = base64.urlsafe_b64encode(DIGEST).decode().rstrip("=")


def environment(folder: Path, records: dict[str, str]) -> Path:
    """Make an environment whose distributions have these RECORDs."""
    for name, text in records.items():
        info = folder / SITE / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "RECORD").write_bytes(text.encode())
    return folder


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["a.py", "b,c.py", 'd"e.py', "f\u2028g.py", "h\x0bi.py"])
def test_a_record_is_read_whatever_its_names_and_line_ends_are(tmp_path: Path, name: str, end: str) -> None:
    quoted = '"{}"'.format(name.replace('"', '""')) if set(name) & set('",') else name
    lines = [f"alpha/{quoted}" if quoted == name else f'"alpha/{quoted[1:]}', "../../../bin/alpha"]
    text = end.join(
        [*(f"{line},sha256={ENCODED},4" for line in lines), "", "alpha-1.0.dist-info/RECORD,,", ""]
    )
    env = environment(tmp_path, {"alpha": text})
    assert list(receipt.claims(env)) == [
        (f"{SITE}/alpha/{name}", DIGEST.hex(), "alpha"),
        ("bin/alpha", DIGEST.hex(), "alpha"),
        (f"{SITE}/alpha-1.0.dist-info/RECORD", "", "alpha"),
    ]


def test_what_two_distributions_claim_or_none_is_hashed_where_it_stands(tmp_path: Path) -> None:
    other = base64.urlsafe_b64encode(hashlib.sha256(b"other").digest()).decode().rstrip("=")
    records = {
        "alpha": f"one.py,sha256={ENCODED},4\ntwo.py,sha256={ENCODED},4\n",
        "beta": f"two.py,sha256={other},5\n",
    }
    env = environment(tmp_path, records)
    for name in ("one.py", "two.py", "three.py"):
        (env / SITE / name).write_text("here")
    here = hashlib.sha256(b"here").hexdigest()
    found = receipt.inventory(env)
    assert {name: found[f"{SITE}/{name}"] for name in ("one.py", "two.py", "three.py")} == {
        "one.py": DIGEST.hex(),
        "two.py": here,
        "three.py": here,
    }


def test_files_that_another_distribution_wrote_over_are_told_and_so_are_missing_ones(tmp_path: Path) -> None:
    names = ("__init__.py", "same.py", '"a,b.py"', "gone.py", "own.py")
    records = {
        "triton_ascend": "".join(
            f"triton/{name},sha256={ENCODED},4\n".replace('triton/"', '"triton/') for name in names
        ),
        "other": 'triton/__init__.py,,\ntriton/same.py,,\n"triton/a,b.py",,\n',
    }
    env = environment(tmp_path, records)
    (env / SITE / "triton").mkdir()
    for name, text in (("__init__.py", "not"), ("same.py", "text"), ("a,b.py", "not"), ("own.py", "text")):
        (env / SITE / "triton" / name).write_text(text)
    assert receipt.shared_files(env, "triton-ascend") == {
        f"{SITE}/triton/{name}" for name in ("__init__.py", "same.py", "a,b.py")
    }
    assert post_install.foreign_files(env, "triton-ascend") == [
        str(env / SITE / "triton" / name) for name in ("__init__.py", "a,b.py", "gone.py")
    ]


def test_a_pipe_in_the_place_of_a_file_is_a_change_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert receipt.digest_of(tmp_path / "pipe") == "no regular file"


def test_a_link_to_what_is_gone_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "python3.11").touch()
    (tmp_path / "link").symlink_to("python3.11")
    before = receipt.digest_of(tmp_path / "link")
    (tmp_path / "python3.11").unlink()
    assert receipt.digest_of(tmp_path / "link") != before == "link:python3.11"


def test_a_file_that_cannot_be_read_is_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = environment(tmp_path, {"alpha-1.0": ""})
    (env / "file").write_text("x")
    receipt.write(env, {})
    assert not receipt.compare(env)

    def failing(path: Path) -> str:
        if path.name == "file":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return digest_of(path)

    digest_of = receipt.digest_of
    monkeypatch.setattr(receipt, "digest_of", failing)
    assert receipt.compare(env).changed == ("file",)


def test_what_this_user_may_not_read_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python in `/root` was told as changed to everybody else, with the command that installs all of it again."""
    env = environment(tmp_path, {"alpha-1.0": ""})
    (env / "bin").mkdir()
    (env / "bin/python").symlink_to("/root/python")
    receipt.write(env, {})

    def closed(path: Path) -> str:
        if path.name == "python":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return digest_of(path)

    digest_of = receipt.digest_of
    monkeypatch.setattr(receipt, "digest_of", closed)
    found = receipt.compare(env)
    assert (found.closed, found.changed) == (("bin/python",), ())
    with pytest.raises(receipt.EnvironmentClosedError, match=r"1 file\(s\)") as caught:
        found.require_none(env)
    assert caught.value.why == "bin/python (leads to /root/python)"
    assert "sudo" in caught.value.next_step
    (env / "more").write_text("x")
    with pytest.raises(receipt.EnvironmentChangedError):
        receipt.compare(env).require_none(env)


def test_a_receipt_that_was_being_written_once_more_is_no_change(tmp_path: Path) -> None:
    env = environment(tmp_path, {"alpha-1.0": ""})
    receipt.write(env, {"signer": "SHA256:old"})
    (env / "receipt.json.new").write_text("{")
    assert not receipt.compare(env)
    assert [receipt.note_signer(env, one) for one in (None, "SHA256:old", "SHA256:new")] == [
        False,
        False,
        True,
    ]
    assert not receipt.compare(env)
    assert receipt.read(env)["signer"] == "SHA256:new"
    assert not (env / "receipt.json.new").exists()


def test_what_lies_in_a_folder_that_cannot_be_read_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = environment(tmp_path, {"alpha-1.0": ""})
    (env / "closed").mkdir()
    (env / "closed/file").write_text("x")
    receipt.write(env, {})
    scandir = os.scandir

    def closed(path: str | Path) -> object:
        if str(path).endswith("closed/"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    assert receipt.compare(env).missing == ("closed/file",)
    with pytest.raises(PermissionError):
        receipt.inventory(env)
