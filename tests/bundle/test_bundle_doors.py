"""The commands as a person calls them: what they print, and the codes they end with."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from bundle_fixtures import FILES, TORCH, write_wheelhouse

from ascend_wheelhouse.commands import bundle as door
from ascend_wheelhouse.commands import image
from ascend_wheelhouse.signing import Signer

_WORDS = dict.fromkeys(("wheelhouse", "out", "split", "base", "sign_key", "serial"), "")


def _pack(wheelhouse: Path, out: Path, signer: Signer, **words: str) -> None:
    given = {"wheelhouse": str(wheelhouse), "out": str(out), "sign_key": str(signer.path), "serial": "7"}
    door.pack(out, words=_WORDS | given | words, oci=False, allow_incomplete=False, json=False)


def test_packing_says_who_signed_and_what_to_type_on_the_node(
    wheelhouse: Path, tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    _pack(wheelhouse, tmp_path / "b.tar", signer)

    said = capsys.readouterr().out
    assert f"{len(FILES)} of {len(FILES)} files" in said
    assert f"serial 7, signed by {signer.fingerprint}" in said
    assert f"--bundle b.tar --prefix /opt/sglang-npu --trusted-key {signer.fingerprint}" in said


def test_what_to_type_takes_the_installer_out_of_parts_too(
    wheelhouse: Path, tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    _pack(wheelhouse, tmp_path / "b.tar", signer, split="64KiB")

    line = next(line for line in capsys.readouterr().out.splitlines() if "on a node: " in line)
    subprocess.run(["sh", "-euc", line.partition("on a node: ")[2]], cwd=tmp_path, check=True)
    assert (tmp_path / "install.py").read_bytes() == FILES["install.py"]


def test_the_key_may_come_from_the_environment(
    wheelhouse: Path,
    tmp_path: Path,
    signer: Signer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WHEELHOUSE_SIGN_KEY", str(signer.path))

    _pack(wheelhouse, tmp_path / "b.tar", signer, sign_key="")

    assert signer.fingerprint in capsys.readouterr().out


def test_proving_and_listing_have_json(
    wheelhouse: Path, tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    _pack(wheelhouse, tmp_path / "b.tar", signer)
    capsys.readouterr()

    door.verify(tmp_path / "b.tar", trusted_key=signer.fingerprint, insecure=False, base="", json=True)
    proven = json.loads(capsys.readouterr().out)
    door.show(tmp_path / "b.tar", json=True)
    listed = json.loads(capsys.readouterr().out)

    assert (proven["fingerprint"], proven["serial"]) == (signer.fingerprint, 7)
    assert {file["path"] for file in listed["files"]} == set(FILES)


def test_a_changed_bundle_ends_with_code_5_and_says_what_why_and_next(
    wheelhouse: Path, tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    _pack(wheelhouse, tmp_path / "b.tar", signer)
    data = (tmp_path / "b.tar").read_bytes()
    (tmp_path / "b.tar").write_bytes(data.replace(b"npu!npu!", b"npu!evil", 1))
    capsys.readouterr()

    with pytest.raises(SystemExit) as ended:
        door.verify(tmp_path / "b.tar", trusted_key=signer.fingerprint, insecure=False, base="", json=False)

    said = capsys.readouterr().err
    assert ended.value.code == 5
    assert "Not as the manifest says: wheels/torch_npu-2.8.0.post2" in said
    assert "Next: copy the bundle again" in said


def test_a_delta_is_rebuilt_by_hand(
    wheelhouse: Path, tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    _pack(wheelhouse, tmp_path / "old.tar", signer)
    new = write_wheelhouse(tmp_path / "new", {**FILES, TORCH: b"newer"})
    _pack(new, tmp_path / "delta.tar", signer, base=str(tmp_path / "old.tar"), serial="8")
    assert "--base OLD_BUNDLE" in capsys.readouterr().out

    whole = tmp_path / "whole.tar"
    door.rebuild(
        tmp_path / "delta.tar",
        base=str(tmp_path / "old.tar"),
        out=str(whole),
        trusted_key=signer.fingerprint,
        insecure=False,
    )

    assert capsys.readouterr().out.strip() == str(whole)
    with pytest.raises(SystemExit) as ended:
        door.rebuild(tmp_path / "delta.tar", base="", out="", trusted_key="", insecure=False)
    assert ended.value.code == 2


def test_a_serial_that_is_none_is_bad_usage(
    wheelhouse: Path, tmp_path: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        _pack(wheelhouse, tmp_path / "b.tar", signer, serial="seven")

    assert ended.value.code == 2
    assert "'seven' cannot be the serial of a bundle." in capsys.readouterr().err


def test_a_key_is_made_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image.keygen(tmp_path / "key", json=True)

    assert json.loads(capsys.readouterr().out)["fingerprint"] == Signer(tmp_path / "key").fingerprint
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(SystemExit) as ended:
        image.keygen(tmp_path / "key", json=False)
    assert ended.value.code == 2


def test_a_build_context_names_the_command_that_builds_it(
    wheelhouse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image.write_context(
        wheelhouse, out=str(tmp_path / "context"), base="", trusted_key="", prefix="", json=False
    )

    said = capsys.readouterr().out
    assert "builds on quay.io/ascend/cann:8.3.rc2-a3-ubuntu22.04-py3.11" in said
    assert "Next: docker build --platform linux/arm64" in said


def test_run_args_speaks_docker_and_kubernetes(capsys: pytest.CaptureFixture[str]) -> None:
    image.show_run_args("910b", image="i", model="", command="python -V", kubernetes=False, json=False)
    docker = capsys.readouterr().out
    image.show_run_args("a3", image="i", model="", command="", kubernetes=True, json=True)
    pod = json.loads(capsys.readouterr().out)

    assert docker.startswith("docker run")
    assert "davinci8" not in docker
    assert pod["kind"] == "Pod"
    with pytest.raises(SystemExit):
        image.show_run_args("310p", image="i", model="", command="", kubernetes=False, json=False)
