"""The commands as a person calls them: what they print, and the codes they end with."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from bundle_fixtures import FILES, TORCH, write_wheelhouse
from invoking import invoke

from ascend_wheelhouse.folder.signing import Signer


def _pack(wheelhouse: Path, out: Path, signer: Signer, *words: str | Path, serial: str = "7") -> int:
    signing = () if "--sign-key" in words else ("--sign-key", signer.path)
    return invoke("bundle", "--wheelhouse", wheelhouse, "--out", out, "--serial", serial, *signing, *words)


def test_packing_says_who_signed_and_what_to_type_on_the_node(
    wheelhouse: Path, tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _pack(wheelhouse, tmp_path / "b.tar", signer) == 0

    said = capsys.readouterr().out
    assert f"{len(FILES)} of {len(FILES)} files" in said
    assert f"serial 7, signed by {signer.fingerprint}" in said
    assert f"--bundle b.tar --prefix /opt/sglang-npu --trusted-key {signer.fingerprint}" in said


def test_what_to_type_takes_the_installer_out_of_parts_too(
    wheelhouse: Path, tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    _pack(wheelhouse, tmp_path / "b.tar", signer, "--split", "64KiB")

    line = next(line for line in capsys.readouterr().out.splitlines() if "on a node: " in line)
    subprocess.run(["sh", "-euc", line.partition("on a node: ")[2]], cwd=tmp_path, check=True)
    assert (tmp_path / "install.py").read_bytes() == FILES["install.py"]


def test_a_wheelhouse_that_was_changed_is_mended_by_the_words_of_its_own_cell(
    wheelhouse: Path, tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = json.loads((wheelhouse / "manifest.json").read_text())["cell"]
    (wheelhouse / TORCH).unlink()
    assert _pack(wheelhouse, tmp_path / "b.tar", signer) == 5
    words = f"--torch {cell['torch']} --platform {cell['machine']}"
    assert f"`invoke wheelhouse --check {words}" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["bundle", "show"])
def test_a_bundle_is_told_from_a_wheelhouse(
    command: str, wheelhouse: Path, tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "a b.tar"
    assert _pack(wheelhouse, bundle, signer) == 0
    assert f"tar -xf '{bundle.name}' install.py" in capsys.readouterr().out
    assert invoke(command, "--wheelhouse", bundle) == 2
    assert (
        f"is a bundle, and the folder of a wheelhouse is wanted.\n\nNext: `invoke bundle --list '{bundle}'`"
        in (capsys.readouterr().err)
    )


def test_the_key_may_come_from_the_environment(
    wheelhouse: Path,
    tmp_path: Path,
    signer: Signer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WHEELHOUSE_SIGN_KEY", str(signer.path))

    _pack(wheelhouse, tmp_path / "b.tar", signer, "--sign-key", "")

    assert signer.fingerprint in capsys.readouterr().out


def test_proving_and_listing_have_json(
    wheelhouse: Path, tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    _pack(wheelhouse, tmp_path / "b.tar", signer)
    capsys.readouterr()

    assert (
        invoke("bundle", "--verify", tmp_path / "b.tar", "--trusted-key", signer.fingerprint, "--json") == 0
    )
    proven = json.loads(capsys.readouterr().out)
    assert invoke("bundle", "--list", tmp_path / "b.tar", "--json") == 0
    listed = json.loads(capsys.readouterr().out)

    assert (proven["fingerprint"], proven["serial"]) == (signer.fingerprint, 7)
    assert {file["path"] for file in listed["files"]} == set(FILES)


def test_a_listing_has_a_line_for_each_file_and_its_name_last_since_it_may_be_long(
    wheelhouse: Path, tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    _pack(wheelhouse, tmp_path / "b.tar", signer)
    capsys.readouterr()

    assert invoke("bundle", "--list", tmp_path / "b.tar") == 0

    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[-1] for line in lines[:-1]} == set(FILES)
    assert max(map(len, lines)) > 80
    assert all(line.split()[1] in {"B", "kB"} for line in lines[:-1])


def test_a_changed_bundle_ends_with_code_5_and_says_what_why_and_next(
    wheelhouse: Path, tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    _pack(wheelhouse, tmp_path / "b.tar", signer)
    data = (tmp_path / "b.tar").read_bytes()
    (tmp_path / "b.tar").write_bytes(data.replace(b"npu!npu!", b"npu!evil", 1))
    capsys.readouterr()

    code = invoke("bundle", "--verify", tmp_path / "b.tar", "--trusted-key", signer.fingerprint)

    said = capsys.readouterr().err
    assert code == 5
    assert "Not as the manifest says: wheels/torch_npu-2.8.0.post2" in said
    assert "Next: copy the bundle again" in said


def test_a_delta_is_rebuilt_by_hand(
    wheelhouse: Path, tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    _pack(wheelhouse, tmp_path / "old.tar", signer)
    new = write_wheelhouse(tmp_path / "new", {**FILES, TORCH: b"newer"})
    _pack(new, tmp_path / "delta.tar", signer, "--base", tmp_path / "old.tar", serial="8")
    assert "--base OLD_BUNDLE" in capsys.readouterr().out

    whole = tmp_path / "whole.tar"
    rebuild = ("bundle", "--rebuild", tmp_path / "delta.tar")
    whole_from = ("--base", tmp_path / "old.tar", "--out", whole, "--trusted-key", signer.fingerprint)
    assert invoke(*rebuild, *whole_from) == 0

    assert capsys.readouterr().out.strip() == str(whole)
    assert invoke(*rebuild, *whole_from, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"paths": [str(whole)]}
    assert invoke(*rebuild, "--out", tmp_path / "a b.tar") == 2
    told = capsys.readouterr().err
    assert "--rebuild needs --base and --out." in told
    proposed = f"--rebuild {tmp_path / 'delta.tar'} --base OLD_BUNDLE --out '{tmp_path / 'a b.tar'}' --trusted-key KEY"
    assert f"Next: invoke bundle {proposed}\n" in told


@pytest.mark.parametrize(
    ("taken", "words"),
    [
        ("new.tar", ("--serial", "7", "--wheelhouse", "wheelhouse")),
        ("new.tar.002", ("--serial", "7", "--split", "100K", "--wheelhouse", "wheelhouse")),
        ("new.tar", ("--rebuild", "delta.tar", "--base", "old.tar", "--insecure-no-signature")),
    ],
)
def test_the_name_of_a_folder_is_refused_before_a_bundle_is_written(
    wheelhouse: Path,
    tmp_path: Path,
    signer: Signer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    taken: str,
    words: tuple[str, ...],
) -> None:
    """All of it was written, lay hidden beside the folder, and every later command stumbled over it."""
    monkeypatch.chdir(wheelhouse.parent)
    _pack(wheelhouse, Path("old.tar"), signer)
    _pack(wheelhouse, Path("delta.tar"), signer, "--base", "old.tar", serial="8")
    (tmp_path / "out" / taken).mkdir(parents=True)
    capsys.readouterr()
    assert invoke("bundle", *words, "--out", tmp_path / "out/new.tar") == 2
    told = capsys.readouterr().err
    assert f"{tmp_path}/out/{taken} is a folder, and a bundle is a file." in told
    assert f"Next: --out {tmp_path}/out/{taken}/new.tar" in told
    assert [path.name for path in (tmp_path / "out").iterdir()] == [taken]


def test_a_delta_is_listed_and_proven_as_one(
    wheelhouse: Path, tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its list named all files of the whole as its own, and its proof was "good" as that of a whole bundle."""
    _pack(wheelhouse, tmp_path / "old.tar", signer)
    new = write_wheelhouse(tmp_path / "new", {**FILES, TORCH: b"newer"})
    _pack(new, tmp_path / "delta.tar", signer, "--base", tmp_path / "old.tar", serial="8")
    base = ("--base", tmp_path / "old.tar")
    prove = ("bundle", "--verify", tmp_path / "delta.tar", "--trusted-key", signer.fingerprint)
    capsys.readouterr()

    assert invoke("bundle", "--list", tmp_path / "delta.tar") == 0
    *lines, _, last = capsys.readouterr().out.splitlines()
    of_base = {line.split()[2] for line in lines if line.endswith("  of the base")}
    assert of_base == set(FILES) - {TORCH, "install.py"}
    assert last.startswith(f"delta: 2 of {len(FILES)} files, the others are of the base with ")

    assert invoke(*prove) == 0
    assert f"{len(FILES) - 2} files are of the base" in capsys.readouterr().out
    assert invoke(*prove, *base) == 0
    assert "of the base" not in capsys.readouterr().out
    assert invoke("bundle", "--list", tmp_path / "old.tar") == 0
    assert "base" not in capsys.readouterr().out


def test_two_things_at_once_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bundle that was to be proven was listed, with 0 and without a word of the proof."""
    bundle = tmp_path / "b.tar"
    assert invoke("bundle", "--list", bundle, "--verify", bundle) == 2
    said = capsys.readouterr().err
    assert "--list and --verify exclude each other." in said
    assert "Next: leave out --verify" in said


def test_a_serial_that_is_none_is_bad_usage(
    wheelhouse: Path, tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _pack(wheelhouse, tmp_path / "b.tar", signer, serial="seven") == 2
    assert "'seven' cannot be the serial of a bundle." in capsys.readouterr().err


def test_a_key_is_made_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke("keygen", tmp_path / "key", "--json") == 0
    assert json.loads(capsys.readouterr().out)["fingerprint"] == Signer(tmp_path / "key").fingerprint
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert invoke("keygen", tmp_path / "key") == 2


def test_what_follows_a_key_can_be_typed_as_it_stands(
    wheelhouse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project/wheelhouse").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("WHEELHOUSE_PLATFORM", "x86_64")
    root = tmp_path / "project"
    assert invoke("keygen", tmp_path / "a key", root=root) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    key = shlex.quote(str(tmp_path / "a key"))
    assert said == f"Next: invoke bundle --torch 2.8.0 --platform x86_64 --sign-key {key} --serial 1"
    shutil.copytree(wheelhouse, tmp_path / "project/wheelhouse/mine")
    assert invoke("keygen", tmp_path / "other", root=root) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert (
        said == f"Next: invoke bundle --wheelhouse wheelhouse/mine --sign-key {tmp_path / 'other'} --serial 1"
    )
    manifest = tmp_path / "project/wheelhouse/mine/manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"complete": False}), "utf-8")
    assert invoke("keygen", tmp_path / "third", root=root) == 0
    *_, told, _, said = capsys.readouterr().out.splitlines()
    assert told.startswith("The newest wheelhouse is incomplete: ")
    words = f"--wheelhouse wheelhouse/mine --allow-incomplete --sign-key {tmp_path / 'third'}"
    assert said == f"Next: invoke bundle {words} --serial 1"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert invoke("keygen", tmp_path / "fourth", root=root) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(f"--sign-key {tmp_path / 'fourth'}")


def test_a_new_key_is_proposed_with_a_serial_above_those_of_the_bundles_there(
    wheelhouse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles/notes.txt").write_text("not one of them")
    for serial, form in (("4", ["--split", "64KiB"]), ("7", ["--oci"])):
        words = ["--serial", serial, *form]
        assert invoke("bundle", "--wheelhouse", wheelhouse, "--out", tmp_path / "bundles", *words) == 0
    capsys.readouterr()
    assert invoke("keygen", tmp_path / "key", root=tmp_path) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(f"--sign-key {tmp_path / 'key'} --serial 8")


def test_a_build_context_names_the_command_that_builds_it(
    wheelhouse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke("image", wheelhouse, "--out", tmp_path / "context") == 0

    said = capsys.readouterr().out
    assert "builds on quay.io/ascend/cann:8.3.rc2-a3-ubuntu22.04-py3.11" in said
    assert "Next: docker build --network=none --platform linux/arm64" in said


def test_run_args_speaks_docker_and_kubernetes(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke("run-args", "--npu", "910b", "--image", "i", "--command", "python -V") == 0
    docker = capsys.readouterr().out
    assert invoke("run-args", "--image", "i", "--kubernetes", "--json") == 0
    pod = json.loads(capsys.readouterr().out)

    assert docker.startswith("docker run")
    assert "davinci8" not in docker
    assert pod["kind"] == "Pod"
    assert invoke("run-args", "--npu", "310p") == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["image", "somewhere"], "Error: --out is missing.\n\nNext: invoke image somewhere --out FOLDER\n"),
        (["image", "somewhere", "--append", "--out", "there"], "Error: --base is missing.\n"),
        (
            ["image", "e", "--append", "--base", "b", "--out", "o", "--platform", "mips"],
            "Unknown platform 'mips'",
        ),
        (["bundle", "--split", "4 gigs"], "'4 gigs' is not a size for parts."),
        (["run-args", "--command", "echo 'x"], "cannot be read as words of a command"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(*words) == 2
    said = capsys.readouterr().err
    assert told in said
    assert "Next: " in said
