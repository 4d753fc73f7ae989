"""`install.py`: one file, the same bytes from the same sources, and its digest where people see it."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import pytest
from bundle_fixtures import FILES, Draft, join, write_wheelhouse

from ascend_wheelhouse.bundle.command import bundle_command, verify_bundle
from ascend_wheelhouse.bundle.pack import OldInstallerError
from ascend_wheelhouse.commands import bundle as command
from ascend_wheelhouse.console import words
from ascend_wheelhouse.folder.installer import NODE, build_installer
from ascend_wheelhouse.folder.signing import Signer
from ascend_wheelhouse.node import layout

OLD_FORM = {**FILES, "node/__init__.py": b"", "node/errors.py": b"x = 1\n"}
DIGEST = hashlib.sha256(FILES[layout.INSTALLER]).hexdigest()


def test_equal_sources_give_equal_bytes_whenever_and_wherever_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(NODE, copy)
    for number, path in enumerate(sorted(copy.rglob("*.py"), reverse=True)):
        os.utime(path, (10**9 + number, 10**9 + number))
        path.chmod(0o600)
    (copy / "__pycache__").mkdir(exist_ok=True)
    (copy / "__pycache__" / "install.cpython-311.pyc").write_bytes(b"evil")
    first = build_installer()
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()

    assert build_installer(copy) == first

    monkeypatch.undo()
    time.tzset()


def test_it_holds_the_sources_of_a_node_as_they_are_and_nothing_else() -> None:
    with zipfile.ZipFile(io.BytesIO(build_installer())) as archive:
        held = {info.filename: archive.read(info) for info in archive.infolist()}
        kinds = {
            (info.compress_type, info.date_time, info.external_attr >> 16) for info in archive.infolist()
        }
    sources = {f"node/{path.relative_to(NODE).as_posix()}": path.read_bytes() for path in NODE.rglob("*.py")}
    assert held.pop("__main__.py") == sources.pop("node/launch.py")
    assert held == sources
    assert kinds == {(zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0), 0o100644)}


def test_it_needs_the_standard_library_alone() -> None:
    """Its own modules are imported by their place in it; a probe may import what it probes."""
    for path in NODE.rglob("*.py"):
        if path.name == "tiny_model.py" or path.parent.name == "probes":
            continue
        names = {
            name.partition(".")[0]
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Import | ast.ImportFrom) and not getattr(node, "level", 0)
            for name in (
                [node.module] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
            )
            if name
        }
        assert names <= {*sys.stdlib_module_names, "_typeshed"}, path.name


def test_it_runs_wherever_it_is_from_a_name_that_is_relative(tmp_path: Path) -> None:
    (tmp_path / "renamed").write_bytes(build_installer())

    command = [sys.executable, "-I", "renamed", "--prefix", "npu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert f"{tmp_path} holds no manifest.json." in done.stderr


def test_a_program_reads_bundles_with_it_as_the_document_says(tmp_path: Path, draft: Draft) -> None:
    (tmp_path / layout.INSTALLER).write_bytes(build_installer())
    (tmp_path / "b.tar").write_bytes(join(draft.members()))
    text = (
        (Path(__file__).parents[2] / "docs/bundle.md").read_text("utf-8").partition("## From Python\n\n")[2]
    )
    code = textwrap.dedent(text.partition("    for file in")[0])
    code = code.replace("open_bundle(path)", "open_bundle(__import__('pathlib').Path('b.tar'))")
    code = code.replace("SHA256:...", draft.signer.fingerprint)

    command = [sys.executable, "-I", "-c", f"{code}\nprint(verified.serial, len(list(bundle.iter_files())))"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.stdout == f"7 {len(FILES)}\n", done.stderr


def test_packing_and_proving_tell_the_digest_to_write_down(
    wheelhouse: Path, tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "b.tar"
    for json_wanted in (False, True):
        command.main(
            command.PackOptions(
                root=tmp_path,
                wheelhouse=wheelhouse,
                out=bundle,
                serial=7,
                sign_key=signer.path,
                json=json_wanted,
            )
        )
        packed = capsys.readouterr().out
        command.main(command.ProveOptions(bundle=bundle, trusted_key=signer.fingerprint, json=json_wanted))
        proven = capsys.readouterr().out
        if json_wanted:
            assert json.loads(packed)["installer"] == json.loads(proven)["installer"] == DIGEST
        else:
            assert f"install.py: sha256 {DIGEST} (write it down" in packed
            assert f"install.py: sha256 {DIGEST} (write it down" in proven
            assert f"echo '{DIGEST}  install.py' | sha256sum --check && python3.11 -I install.py" in packed


@pytest.mark.parametrize(("stated", "printed"), [("3.12", "python3.12"), ("3.12; reboot", "python3.11")])
def test_the_printed_command_is_run_with_the_python_of_the_cell(
    tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str], stated: str, printed: str
) -> None:
    house = write_wheelhouse(tmp_path / "house", cell={"python": stated})
    command.main(
        command.PackOptions(
            root=tmp_path, wheelhouse=house, out=tmp_path / "b.tar", serial=7, sign_key=signer.path
        )
    )
    said = capsys.readouterr().out
    assert f"&& {printed} -I install.py --bundle" in said
    assert "reboot" not in said


def test_a_wheelhouse_of_the_older_form_is_not_packed(tmp_path: Path, signer: Signer) -> None:
    house = write_wheelhouse(tmp_path / "old", OLD_FORM)

    with pytest.raises(OldInstallerError, match="has an installer of an older form, in many files") as raised:
        bundle_command(house, out=tmp_path / "b.tar", sign_key=signer.path, serial=1)

    assert raised.value.exit_code == 2
    assert "invoke wheelhouse" in str(raised.value.next_step)
    assert not (tmp_path / "b.tar").exists()


def test_a_bundle_of_the_older_form_is_proven_and_serves_as_a_base(tmp_path: Path, signer: Signer) -> None:
    old = tmp_path / "old.tar"
    old.write_bytes(join(Draft(signer=signer, files=OLD_FORM).members()))
    house = write_wheelhouse(tmp_path / "new")

    proven = verify_bundle(old, trusted_key=signer.fingerprint)
    delta = bundle_command(house, out=tmp_path, sign_key=signer.path, serial=8, base=old)

    assert (proven.serial, proven.installer) == (7, "")
    assert "no digest stands for it" in words.installer(proven.installer)
    assert delta.carried == 1
    assert verify_bundle(delta.paths[0], trusted_key=signer.fingerprint, base=old).installer == DIGEST
