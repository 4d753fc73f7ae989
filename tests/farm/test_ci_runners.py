"""The jobs of deploy/farm in programs that run the files whole: gitlab-ci-local and act, both without a container."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from certificates import Authority, Identity
from ci_project import NAMES, CiProject, ci_project, locked_world
from farm_rig import Rig, rig
from index_server import serving

TOOLS = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
pytestmark = pytest.mark.skipif(
    "WHEELHOUSE_LONG_TESTS" not in os.environ, reason="two minutes, and programs of npm: nox -s deploys"
)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_UPLOAD = """name: stands in for actions/upload-artifact
inputs: {name: {required: true}, path: {required: true}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {FILES: "${{ inputs.path }}"}
      run: cp $FILES "$UPLOADS/"
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[CiProject]:
    with serving() as index:
        (tmp_path / "world").mkdir()
        yield ci_project(locked_world(tmp_path / "world", index), tmp_path)


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[Rig, Identity]]:
    member = Authority(tmp_path, "ours").identity("member")
    with rig(tmp_path / "farm", protocol="tls") as made:
        made.scheduler(*member.options("--tls-ca-file"))
        made.worker("anna", *member.options())
        yield made, member


def run(project: CiProject, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run one of the programs in the clone."""
    return subprocess.run(
        words,
        cwd=project.clone,
        env={**project.env, "PATH": f"{project.runner}/bin:{TOOLS}", **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def kept(folder: Path) -> list[str]:
    """Return the states of the cells that a kept file tells, beside which the page must lie."""
    assert "nnal" in (folder / "matrix.html").read_text()
    return [cell["state"] for cell in json.loads((folder / "matrix.json").read_text())["cells"]]


@pytest.mark.parametrize("on_the_farm", [False, True])
def test_gitlab_ci_local_runs_the_job(
    project: CiProject, secured: tuple[Rig, Identity], *, on_the_farm: bool
) -> None:
    """Variables of type "file" are files of its own making."""
    made, member = secured
    files = {"FARM_CA": member.ca, "FARM_CERT": member.cert, "FARM_KEY": member.key}
    own = {name: {"type": "file", "values": {"*": path.read_text()}} for name, path in files.items()}
    settings = {"FARM": made.address, **own} if on_the_farm else {}
    home = project.runner / ".gitlab-ci-local"
    home.mkdir()
    (home / "variables.yml").write_text(yaml.safe_dump({"global": settings}))
    remote = ("git", "remote", "add", "origin", "git@gitlab.example:group/project.git")
    assert run(project, *remote).returncode == 0
    source = ("--force-shell-executor", "--variable", "CI_PIPELINE_SOURCE=schedule")
    done = run(project, "gitlab-ci-local", *source, "wheelhouses", WHEELHOUSES=str(project.kept))
    assert re.search(r"FAIL\s+8\b", _COLOURS.sub("", done.stderr)), done.stdout + done.stderr
    assert kept(project.clone / ".gitlab-ci-local/artifacts/wheelhouses") == ["incomplete"] * 2
    assert {path.name for path in project.kept.glob("sglang*")} == set(NAMES)
    assert made.log("scheduler").count("Receive client connection") == on_the_farm
    assert "wheelhouses" not in run(project, "gitlab-ci-local", "--list").stdout, "a push starts nothing"


@pytest.mark.parametrize("on_the_farm", [False, True])
def test_act_runs_the_workflow(
    project: CiProject, secured: tuple[Rig, Identity], *, on_the_farm: bool
) -> None:
    """It checks nothing out, and an action of this test stands in for the one that uploads."""
    made, member = secured
    upload, uploads = project.runner / "upload", project.runner / "uploads"
    for path in (upload, uploads):
        path.mkdir()
    (upload / "action.yml").write_text(_UPLOAD)
    secrets = {"FARM_CA": member.ca, "FARM_CERT": member.cert, "FARM_KEY": member.key}
    given = [word for name, path in secrets.items() for word in ("-s", f"{name}={path.read_text()}")]
    variables = [
        "--var",
        f"WHEELHOUSES={project.kept}",
        *(["--var", f"FARM={made.address}"] if on_the_farm else []),
    ]
    env = {**project.env, "UPLOADS": str(uploads)}
    passed = [word for name, text in env.items() for word in ("--env", f"{name}={text}")]
    done = run(
        project,
        *("act", "schedule", "--container-daemon-socket", "-", "-P", "self-hosted=-self-hosted"),
        *("--local-repository", f"actions/upload-artifact@v4={upload}"),
        *(given if on_the_farm else ()),
        *variables,
        *passed,
    )
    assert "exit status 8" in done.stdout + done.stderr, done.stdout + done.stderr
    assert kept(uploads) == ["incomplete"] * 2
    assert {path.name for path in project.kept.glob("sglang*")} == set(NAMES)
    assert made.log("scheduler").count("Receive client connection") == on_the_farm
