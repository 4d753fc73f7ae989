"""The hand checks of the documents, run exactly as they are printed, on sound bundles and on changed ones."""

from __future__ import annotations

import hashlib
import io
import py_compile
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from bundle_fixtures import FILES, Draft, join

import ascend_wheelhouse.node
from ascend_wheelhouse.folder.signing import Signer
from ascend_wheelhouse.node import layout

DOCS = Path(__file__).parents[2] / "docs"
NODE = Path(ascend_wheelhouse.node.__file__).parent
EVIL = b"raise SystemExit('evil')\n"


def _printed(document: str) -> str:
    """Return the block of commands that follows the mark in a document."""
    text = (DOCS / document).read_text("utf-8")
    found = re.search(r"<!-- hand check[^\n]*-->\n((?:    [^\n]+\n)+)", text)
    assert found is not None
    return "".join(f"{line[4:]}\n" for line in found[1].splitlines())


def _run(commands: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-euc", commands],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def _signers(signer: Signer) -> str:
    public = signer.path.with_name(f"{signer.path.name}.pub").read_text("utf-8").split()
    return " ".join(public[:2])


def _appended(data: bytes, name: str, content: bytes) -> bytes:
    """Append a member to a tar, before its end, as plain tar would."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return data.removesuffix(layout.TRAILER) + buffer.getvalue()


def _bytecode(folder: Path) -> bytes:
    source, target = folder / "evil.py", folder / "evil.pyc"
    source.write_bytes(EVIL)
    py_compile.compile(
        str(source), str(target), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )
    return target.read_bytes()


def _changed_with_its_line(members: list[tuple[str, bytes]], _folder: Path) -> bytes:
    """Change `install.py` and its line in `SHA256SUMS` together."""
    old, new = (hashlib.sha256(data).hexdigest().encode() for data in (FILES["install.py"], EVIL))
    changed = {"install.py": EVIL, layout.SUMS: dict(members)[layout.SUMS].replace(old, new)}
    return join([(name, changed.get(name, data)) for name, data in members])


def _bytecode_beside(members: list[tuple[str, bytes]], folder: Path) -> bytes:
    return _appended(join(members), "node/__pycache__/install.cpython-311.pyc", _bytecode(folder))


def _package_over_module(members: list[tuple[str, bytes]], _folder: Path) -> bytes:
    return _appended(join(members), "node/errors/__init__.py", EVIL)


def _installer_twice(members: list[tuple[str, bytes]], _folder: Path) -> bytes:
    return _appended(join(members), "install.py", EVIL)


def _sound(members: list[tuple[str, bytes]], _folder: Path) -> bytes:
    return join(members)


CASES: dict[Callable[[list[tuple[str, bytes]], Path], bytes], bool] = {
    _sound: True,
    _changed_with_its_line: False,
    _bytecode_beside: False,
    _package_over_module: False,
    _installer_twice: False,
}


@pytest.mark.parametrize("attack", CASES)
def test_the_hand_check_of_a_bundle_does_what_it_says(
    draft: Draft, signer: Signer, tmp_path: Path, attack: Callable[[list[tuple[str, bytes]], Path], bytes]
) -> None:
    room = tmp_path / "room"
    room.mkdir()
    (room / "NAME.tar").write_bytes(attack(draft.members(), tmp_path))

    done = _run(_printed("bundle.md").replace("ssh-ed25519 AAAA...", _signers(signer)), room)

    assert (done.returncode == 0) == CASES[attack], done.stderr
    assert 'Good "ascend-wheelhouse" signature' in done.stdout


@pytest.mark.parametrize("attack", CASES)
def test_the_hand_check_of_an_unpacked_folder_does_what_it_says(
    draft: Draft, signer: Signer, tmp_path: Path, attack: Callable[[list[tuple[str, bytes]], Path], bytes]
) -> None:
    (tmp_path / "NAME.tar").write_bytes(attack(draft.members(), tmp_path))
    (tmp_path / "allowed_signers").write_text(
        f'ascend-wheelhouse namespaces="ascend-wheelhouse" {_signers(signer)}\n'
    )
    folder = tmp_path / "folder"
    folder.mkdir()
    subprocess.run(["tar", "-xf", "../NAME.tar"], cwd=folder, check=True)

    done = _run(_printed("install.md"), folder)

    assert (done.returncode == 0) == CASES[attack], done.stderr
    assert 'Good "ascend-wheelhouse" signature' in done.stdout


def test_a_key_of_somebody_else_fails_the_hand_check(draft: Draft, stranger: Signer, tmp_path: Path) -> None:
    (tmp_path / "NAME.tar").write_bytes(join(draft.members()))
    commands = _printed("bundle.md").replace("ssh-ed25519 AAAA...", _signers(stranger))
    assert _run(commands, tmp_path).returncode != 0


@pytest.mark.parametrize("isolated", [[], ["-I"]])
@pytest.mark.parametrize("planted", ["pathlib.py", "argparse.py", "node/__pycache__/install.cpython-311.pyc"])
def test_the_installer_imports_nothing_that_lies_beside_it(
    tmp_path: Path, planted: str, isolated: list[str]
) -> None:
    folder = tmp_path / "w"
    shutil.copytree(NODE, folder / "node", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(NODE / "launch.py", folder / "install.py")
    (folder / planted).parent.mkdir(exist_ok=True)
    (folder / planted).write_bytes(_bytecode(tmp_path) if planted.endswith(".pyc") else EVIL)

    words = [sys.executable, *isolated, str(folder / "install.py"), "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "evil" not in done.stdout + done.stderr
