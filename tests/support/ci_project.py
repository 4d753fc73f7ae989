"""A clone of this project in miniature, as a CI runner has it: the small world's recipes and locks, and a matrix.

`python3.11 -m venv` and `pip install` of the examples are real; what pip would fetch is taken from this environment.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import small_world
import yaml
from farm_rig import ROOT
from index_server import Index
from program_rig import clone_into
from small_world import World, found, wheel

CHIPS = ("a3", "910b")
NAMES = tuple(f"sglang1.0-torch2.8.0-cann8.5.0-{chip}-aarch64" for chip in CHIPS)
EXAMPLES = {
    ".gitlab-ci.yml": ROOT / "deploy/farm/gitlab-ci.yml",
    ".github/workflows/wheelhouses.yml": ROOT / "deploy/farm/github-workflow.yml",
}
_MATRIX = '[axes]\nstack = "torch2.8.0-cann8.5.0"\nplatform = "aarch64"\nnpu = ["a3", "910b"]\n'
_BUILD_TOOL = "tinybuild-1.0-py3-none-any.whl"
_PYTHON = """#!/bin/sh
set -e
test "$*" = "-m venv .venv"
"{base}" -m venv --without-pip .venv
here="$PWD/.venv"
echo {packages} >"$here/lib/python3.11/site-packages/of-the-tests.pth"
program() {{
  printf '#!%s/bin/python\\nimport sys\\n%s\\n' "$here" "$2" >"$here/bin/$1"
  chmod +x "$here/bin/$1"
}}
program pip 'from pip._internal.cli.main import main; sys.exit(main())'
program invoke 'from invoke.main import program; program.run()'
"""


def _git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@dataclass(frozen=True, kw_only=True)
class CiProject:
    """The clone, and what the runner keeps outside of it: a store, a folder for wheelhouses, its temporary files."""

    clone: Path
    runner: Path
    index: Index

    @property
    def kept(self) -> Path:
        """The folder that the variable WHEELHOUSES names."""
        return self.runner / "wheelhouses"

    @property
    def temporary(self) -> Path:
        """What GitHub's runner empties after each job."""
        return self.runner / "temporary"

    @property
    def env(self) -> dict[str, str]:
        """The environment that the runner gives its jobs."""
        return {
            "PATH": f"{self.runner}/bin:{os.environ['PATH']}",
            "HOME": str(self.runner),
            "CI": "true",
            "RUNNER_TEMP": str(self.temporary),
            "WHEELHOUSE_STORE": str(self.runner / "store"),
            "PIP_INDEX_URL": self.index.simple,
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip reads the value of the setting behind it: 0 is "no isolation"
            "PIP_RETRIES": "0",
            "NO_PROXY": "*",
        }

    def empty_clone(self) -> None:
        """Do what both runners do before a job."""
        _git(self.clone, "clean", "-ffdx")

    def gitlab(self, **variables: str) -> subprocess.Popen[str]:
        """Start the job as the shell executor of GitLab's runner does."""
        job = yaml.safe_load((self.clone / ".gitlab-ci.yml").read_text())["wheelhouses"]
        body = {"BODY": "\n".join(job["script"])}
        # a shell makes 1 of every status that ends an eval in a pipe, but for that of `exit`
        script = 'trap exit 1 TERM\nset -eo pipefail\nset +o noclobber\n: | eval "$BODY"\nexit 0\n'
        return self._start(["bash", "-c", script], {**variables, **body})

    def github(self, **variables: str) -> subprocess.Popen[str]:
        """Run the steps before the last one as GitHub's runner does, and start that one."""
        job = yaml.safe_load((self.clone / ".github/workflows/wheelhouses.yml").read_text())["jobs"][
            "wheelhouse"
        ]
        *before, last = [step for step in job["steps"] if "run" in step]
        for step in before:
            assert self._start(self._step(step), variables).wait() == 0
        return self._start(self._step(last), variables)

    def _step(self, step: Mapping[str, Any]) -> list[str]:
        path = self.temporary / f"{hashlib.sha256(step['run'].encode()).hexdigest()[:9]}.sh"
        path.write_text(step["run"])
        strict = ["--noprofile", "--norc", "-eo", "pipefail"] if step.get("shell") == "bash" else ["-e"]
        return ["bash", *strict, str(path)]

    def _start(self, words: list[str], variables: Mapping[str, str]) -> subprocess.Popen[str]:
        with (self.runner / "log").open("a") as log:
            return subprocess.Popen(
                words,
                cwd=self.clone,
                env={**self.env, **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        """Everything that jobs have printed."""
        return (self.runner / "log").read_text()


def cancel_on_gitlab(job: subprocess.Popen[str]) -> None:
    """Cancel a job: SIGTERM to its process group."""
    os.killpg(job.pid, signal.SIGTERM)
    job.wait(30)


def cancel_on_github(job: subprocess.Popen[str]) -> None:
    """Cancel a job: SIGINT to the shell alone, SIGTERM after 7.5 s, after 2.5 s SIGKILL to what is left."""
    for number, seconds in ((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5)):
        with suppress(subprocess.TimeoutExpired):
            job.send_signal(number)
            job.wait(seconds)
            break
    with suppress(ProcessLookupError):
        os.killpg(job.pid, signal.SIGKILL)
    job.wait(10)


def locked_world(root: Path, index: Index) -> World:
    """Return a world with a lock for each chip."""
    made = found(root, index)
    for chip in CHIPS:
        done = made.invoke("lock", "--resolver", "uv", "--npu", chip)
        assert done.status == 0, done.err
    return made


def ci_project(world: World, folder: Path) -> CiProject:
    """Make the clone, with the recipes and locks of a world, and a runner that has run nothing yet."""
    made = CiProject(clone=folder / "clone", runner=folder / "runner", index=world.index)
    for path in (made.clone, made.runner / "bin", made.kept, made.temporary):
        path.mkdir(parents=True)
    clone_into(made.clone)
    for name in ("recipes", "lockfiles"):
        shutil.rmtree(made.clone / name)
        shutil.copytree(world.root / name, made.clone / name)
    (made.clone / "deploy/matrix.toml").write_text(_MATRIX)
    for name, path in EXAMPLES.items():
        (made.clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, made.clone / name)
    python = made.runner / "bin/python3.11"
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    base = f"{sys.base_prefix}/bin/python3.11"
    python.write_text(_PYTHON.format(base=base, packages=packages))
    python.chmod(0o755)
    _git(made.clone, "init", "-q")
    _git(made.clone, "add", "-A")
    _git(made.clone, "commit", "-q", "-m", "small")
    return made


@contextmanager
def slow_build(project: CiProject, mark: str) -> Iterator[None]:
    """Have the build run `sleep MARK`; the locks of this clone name the build tool that does so."""
    usual = project.index.files[_BUILD_TOOL]
    module = small_world._BACKEND.replace(  # noqa: SLF001 - of this folder
        "    import tomllib\n", f"    import tomllib, subprocess\n    subprocess.run(['sleep', '{mark}'])\n"
    )
    slow = project.index.offer(_BUILD_TOOL, wheel("tinybuild", "1.0", module=module))
    for path in (project.clone / "lockfiles").rglob("sources.*.toml"):
        text = path.read_text().replace(str(usual.sha256), str(slow.sha256))
        path.write_text(text.replace(f"size = {len(usual.content)}", f"size = {len(slow.content)}"))
    try:
        yield
    finally:
        project.index.files[_BUILD_TOOL] = usual
