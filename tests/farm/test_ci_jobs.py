"""The jobs of deploy/farm for GitLab and GitHub, run by shells as the runners start them, on a small project."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from certificates import Authority, Identity
from ci_project import (
    NAMES,
    CiProject,
    cancel_on_github,
    cancel_on_gitlab,
    ci_project,
    locked_world,
    slow_build,
)
from farm_rig import Rig, programs, rig, until
from index_server import serving
from small_world import ROOT, World

FOLDER = ROOT / "deploy/farm"


@dataclass(frozen=True, kw_only=True)
class Farm:
    """A farm under TLS with one worker, and what gets a job in."""

    rig: Rig
    member: Identity

    @property
    def of_gitlab(self) -> dict[str, str]:
        """Its variables; those of type "file" hold a path."""
        member = self.member
        files = {"FARM_CA": member.ca, "FARM_CERT": member.cert, "FARM_KEY": member.key}
        return {"FARM": self.rig.address, **{name: str(path) for name, path in files.items()}}

    @property
    def joined(self) -> int:
        """How many runs have used it."""
        return self.rig.log("scheduler").count("Receive client connection")

    @property
    def of_github(self) -> dict[str, str]:
        """Its variable and its secrets, which are pasted without the last line break."""
        names = ("FARM_CA", "FARM_CERT", "FARM_KEY")
        texts = {name: Path(self.of_gitlab[name]).read_text().rstrip("\n") for name in names}
        return {"FARM": self.rig.address, **texts}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with serving() as index:
        yield locked_world(tmp_path_factory.mktemp("world"), index)


@pytest.fixture(scope="module")
def small_farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    folder = tmp_path_factory.mktemp("farm")
    member = Authority(folder, "ours").identity("member")
    with rig(folder / "rig", protocol="tls") as made:
        made.scheduler(*member.options("--tls-ca-file"))
        made.worker("anna", *member.options())
        yield Farm(rig=made, member=member)


@pytest.fixture
def project(world: World, tmp_path: Path) -> CiProject:
    return ci_project(world, tmp_path)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("sglang*")}


def test_both_files_are_what_the_published_schemas_allow() -> None:
    """Those that check-jsonschema brings along."""
    program = Path(sys.executable).with_name("check-jsonschema")
    for schema, name in (("gitlab-ci", "gitlab-ci.yml"), ("github-workflows", "github-workflow.yml")):
        words: list[str | Path] = [program, "--builtin-schema", f"vendor.{schema}", FOLDER / name]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def ended_with_8(project: CiProject, job: subprocess.Popen[str]) -> None:
    """Both cells lack a component; the files that the runner keeps say so, and so does the status."""
    assert job.wait(120) == 8, project.log
    said = json.loads((project.clone / "matrix.json").read_text())
    assert [cell["state"] for cell in said["cells"]] == ["incomplete"] * 2
    assert "nnal" in (project.clone / "matrix.html").read_text()


def test_gitlab_s_scheduled_job_keeps_its_wheelhouses_outside_of_the_clone(project: CiProject) -> None:
    settings = {"CI_PIPELINE_SOURCE": "schedule", "WHEELHOUSES": str(project.kept)}
    ended_with_8(project, project.gitlab(**settings))
    assert names(project.kept) == set(NAMES)
    assert not names(project.clone / "wheelhouse")
    project.empty_clone()
    before = project.log
    ended_with_8(project, project.gitlab(**settings))
    assert names(project.kept) == set(NAMES)
    again = project.log.removeprefix(before)
    assert "fetch: cached" in again, "what is pending is asked for again"
    assert "fetch: done" not in again


def test_gitlab_s_job_of_a_merge_request_leaves_those_alone_and_builds_on_the_farm(
    project: CiProject, small_farm: Farm
) -> None:
    settings = {"CI_PIPELINE_SOURCE": "merge_request_event", "WHEELHOUSES": str(project.kept)}
    before = small_farm.joined
    ended_with_8(project, project.gitlab(**settings, **small_farm.of_gitlab))
    assert small_farm.joined == before + 1
    assert not [*project.kept.iterdir()]
    assert names(project.clone / "wheelhouse") == set(NAMES)


def test_github_s_steps_keep_what_the_scheduled_run_makes_and_every_mode_of_a_file(
    project: CiProject, small_farm: Farm
) -> None:
    settings, before = {"OUTPUT": str(project.kept), **small_farm.of_github}, small_farm.joined
    ended_with_8(project, project.github(**settings))
    assert small_farm.joined == before + 1
    assert names(project.kept) == set(NAMES)
    for path in (project.clone / "matrix.json", project.kept / NAMES[0] / "manifest.json"):
        assert path.stat().st_mode & 0o044 == 0o044
    assert [path.suffix for path in project.temporary.iterdir()] == [".sh", ".sh"]


def test_github_s_steps_build_on_the_runner_where_no_farm_is_named(project: CiProject) -> None:
    """GitHub gives a variable that is not set as an empty one."""
    nothing = dict.fromkeys(("FARM", "FARM_CA", "FARM_CERT", "FARM_KEY"), "")
    ended_with_8(project, project.github(OUTPUT="wheelhouse", **nothing))
    assert names(project.clone / "wheelhouse") == set(NAMES)


@pytest.mark.parametrize("runner", ["gitlab", "github"])
def test_a_cancelled_job_leaves_no_build_and_no_key(
    project: CiProject, small_farm: Farm, runner: str
) -> None:
    mark = {"gitlab": "300.0601", "github": "300.0602"}[runner]
    with slow_build(project, mark):
        if runner == "gitlab":
            job = project.gitlab(CI_PIPELINE_SOURCE="schedule", **small_farm.of_gitlab)
        else:
            job = project.github(OUTPUT="wheelhouse", **small_farm.of_github)
        until(lambda: programs(mark) or job.poll() is not None, "the build runs", 90)
        assert job.poll() is None, project.log
        assert len([*project.temporary.glob("*/KEY")]) == (runner == "github")
        (cancel_on_gitlab if runner == "gitlab" else cancel_on_github)(job)
    until(lambda: not programs(mark), "the build is gone")
    assert not [path for path in project.temporary.iterdir() if path.is_dir()]
