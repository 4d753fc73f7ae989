"""`invoke doctor` on a build host and on a node."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ascend_wheelhouse.base import settings
from ascend_wheelhouse.commands.doctor import DoctorOptions, main
from ascend_wheelhouse.make import build_host
from ascend_wheelhouse.make.build_host import HostNeed
from ascend_wheelhouse.node.host.fitness import HostFinding, Level

pytestmark = pytest.mark.skipif(build_host.is_node(), reason="this machine is a node")


def need(
    name: str, purpose: build_host.Purpose = "build", *, found: str = "2.0", level: Level = "ok"
) -> HostNeed:
    return HostNeed(purpose=purpose, finding=HostFinding(name=name, found=found, wanted="there", level=level))


GOOD = [
    need("python", "make"),
    need("git", "make"),
    need("gcc"),
    need("make"),
    need("container engine"),
]


def test_a_build_host_is_asked_what_building_needs_and_nothing_of_npus(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(DoctorOptions()) == 0
    text = capsys.readouterr().out
    assert "davinci" not in text
    assert text.splitlines()[-1].startswith("This host can make wheelhouses")


def test_json_has_each_finding_its_purpose_and_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(DoctorOptions(json=True)) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["can"] is True
    assert {row["purpose"] for row in told["findings"]} == {"make", "build"}
    assert {"python", "git", "sandbox", "gcc", "container engine"} <= {
        row["name"] for row in told["findings"]
    }


def test_a_build_host_without_ccache_is_told_so_and_can_build_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, *rest: None if name == "ccache" else which(name, *rest))
    assert main(DoctorOptions()) == 0
    text = capsys.readouterr().out
    assert "WARN   ccache: found none, wanted on the path" in text
    assert "build from source" in text.splitlines()[-1]


def test_the_same_machine_may_be_examined_as_a_node(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(DoctorOptions(node=True)) in {0, 10}
    text = capsys.readouterr().out
    assert "davinci" in text
    assert text.splitlines()[-1].startswith("This node can")


def test_a_driver_or_a_device_makes_a_node(tmp_path: Path) -> None:
    assert not build_host.is_node(tmp_path)
    version = tmp_path / "usr/local/Ascend/driver/version.info"
    version.parent.mkdir(parents=True)
    version.touch()
    assert build_host.is_node(tmp_path)


def test_one_line_says_what_the_host_can() -> None:
    assert build_host.verdict(GOOD) == "This host can make wheelhouses, and build from source (here)."
    bare = [
        need(one.finding.name, found="none", level="warn") if one.finding.name == "gcc" else one
        for one in GOOD
    ]
    assert (
        build_host.verdict(bare) == "This host can make wheelhouses, and build from source (in a container)."
    )
    assert build_host.verdict([one for one in bare if one.finding.name != "container engine"]) == (
        "This host can make wheelhouses, but not build from source: no gcc, and no container engine."
    )
    refused = [*GOOD, need("git", "make", found="none", level="refuse")]
    assert build_host.verdict(refused) == "This host cannot make wheelhouses: no git."


def test_a_host_without_git_ends_with_10(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(DoctorOptions(json=True)) == 10


@pytest.mark.parametrize("kind", ["settings", "variable"])
def test_the_store_that_is_looked_at_is_the_one_that_is_used(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its disk was that of the cache folder, whatever the project's settings said."""
    looked: list[Path] = []

    def space(name: str, folder: Path, _needed: int, _why: str) -> HostFinding:
        looked.append(folder)
        return HostFinding(name=name, found="", wanted="", level="ok")

    monkeypatch.setattr(settings, "_NOW", [settings.Settings()])
    monkeypatch.setattr("ascend_wheelhouse.make.build_host.free_space", space)
    monkeypatch.setenv("HOME", str(tmp_path))
    if kind == "settings":
        monkeypatch.delenv("WHEELHOUSE_STORE", raising=False)
        (tmp_path / settings.NAME).write_text('store = "~/big"')
        settings.use(tmp_path)
    else:
        monkeypatch.setenv("WHEELHOUSE_STORE", "~/big")
    assert main(DoctorOptions()) == 0
    assert looked[0] == tmp_path / "big"
    text = " ".join(capsys.readouterr().out.split())
    assert f"OK writable store: found {tmp_path}/big, wanted a folder that you may write to" in text


def test_a_store_that_cannot_be_written_keeps_a_host_from_making_wheelhouses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").touch()
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "taken/store"))
    assert main(DoctorOptions()) == 10
    text = capsys.readouterr().out
    assert "export WHEELHOUSE_STORE=/FOLDER" in text
    assert text.splitlines()[-1] == "This host cannot make wheelhouses: no writable store."


def test_a_project_folder_that_cannot_be_written_keeps_a_host_from_making_wheelhouses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It said that the host could, and a run said after its downloads that it could not."""
    (tmp_path / "wheelhouse").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHEELHOUSE_STORE", str(tmp_path / "store"))
    assert main(DoctorOptions()) == 10
    text = capsys.readouterr().out
    assert text.splitlines()[-1] == "This host cannot make wheelhouses: no writable project folder."
