"""The whole of torch_npu at its size, from git bundles that were handed over, through `invoke build torch-npu`.

A stand-in: no source of Ascend/pytorch could be had. In the suite it has 60 translation units, in `nox -s foreign`
2,000. How many the compiler was started for is counted by ccache.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from big_stand_in import BigStandIn, big_torch_npu

from ascend_wheelhouse.build.jobserver import host_memory_mb, share
from ascend_wheelhouse.build.object_cache import LOG

PROJECT = Path(__file__).parents[2]
UNITS = 2000 if os.environ.get("WHEELHOUSE_LONG_TESTS") else 60
FINISHED = UNITS // 3
MEMORY_MB = 700
pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(shutil.which, ("ccache", "cmake", "ninja", "gcc"))),
        reason="ccache, cmake, ninja or gcc is missing",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Clone:
    """A project folder of the real recipes, in which torch_npu's names the stand-in and its small needs.

    Args:
        root: The folder; its store stands beside it.
        source: What is built.
    """

    root: Path
    source: BigStandIn

    @property
    def store(self) -> Path:
        """The store of this clone's runs."""
        return self.root.with_name("store")

    def names(self, revision: str) -> None:
        """Have the recipe name a commit."""
        recipe = self.root / "recipes/torch-npu.toml"
        text = (PROJECT / "recipes/torch-npu.toml").read_text("utf-8")
        text = re.sub(r"(?s)# gcc per torch:.*?(?=# The 2\.6 line)", "", text)
        text = text.replace('ref = "{release}"', f'ref = "{revision}"')
        text = re.sub(
            r"(?s)\nrequirements = \[.*?\]\n",
            '\nrequirements = ["pip", "setuptools<80", "wheel==0.45.1"]\n',
            text,
        )
        text = re.sub(r"\nmemory_mb = .*\ntoolchain = .*\n", f"\nmemory_mb = {MEMORY_MB}\n", text)
        recipe.write_text(text, "utf-8")

    def hand_over(self) -> None:
        """Import a bundle of every repository, as they are."""
        folder = self.root.with_name("bundles")
        folder.mkdir(exist_ok=True)
        for bundle in self.source.bundles(folder):
            self.run("vendor", str(bundle))

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command that no git host and no origin but the index answers."""
        mirrors = "https://github.com/=file:///nonexistent/ https://code.test/=file:///nonexistent/"
        env = os.environ | {"WHEELHOUSE_STORE": str(self.store), "WHEELHOUSE_MIRRORS": mirrors}
        command = [str(Path(sys.executable).with_name("invoke")), *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=self.root, env=env, text=True, **pipes)  # type: ignore[call-overload,no-any-return]

    def run(self, *words: str) -> tuple[str, str]:
        """Run a command to its end and return what it printed."""
        with self.start(*words) as process:
            out, err = process.communicate()
        assert process.returncode == 0, err
        return out, err

    def build(self, *more: str) -> tuple[str, str]:
        """Build torch_npu."""
        return self.run(*self.building, *more)

    @property
    def building(self) -> Sequence[str]:
        """The command that builds it."""
        return ("build", "torch-npu", "--torch", "2.8.0", "--platform", os.uname().machine)

    def compiled(self) -> int:
        """Return for how many objects the compiler was started so far, in all builds."""
        words = ["ccache", "--dir", str(self.store / "ccache"), "--print-stats"]
        rows = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
        return next(int(row.split("\t")[1]) for row in rows if row.startswith("cache_miss\t"))

    def log(self) -> str:
        """Return what the steps of the build that runs, or was killed, have printed."""
        (log,) = (self.store / "builds").glob("torch-npu-*/build.log")
        return log.read_text("utf-8")

    def in_log(self, word: str) -> int:
        """Return how often ccache noted a word in the build that runs, or was killed."""
        folders = (self.store / "builds").glob("torch-npu-*")
        logs = [log for folder in folders if (log := folder / "work" / LOG).exists()]
        return logs[0].read_text("utf-8").split("\n").count(word) if logs else 0


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    place = tmp_path_factory.mktemp("big")
    root = place / "project"
    shutil.copytree(PROJECT / "recipes", root / "recipes")
    shutil.copy(PROJECT / "tasks.py", root)
    (root / "lockfiles").mkdir()
    made = Clone(root=root, source=big_torch_npu(place / "servers", UNITS))
    made.names(made.source.commit)
    made.hand_over()
    return made


@dataclass(frozen=True, kw_only=True)
class Killed:
    """A build that was killed, and the run after it.

    Args:
        finished: Objects that the first run had compiled when it was killed.
        log: What the first run's steps had printed.
        out: What the second run printed on standard output.
        err: What it printed on standard error.
        compiled: Objects that both compiled together.
    """

    finished: int
    log: str
    out: str
    err: str
    compiled: int


@pytest.fixture(scope="module")
def killed(clone: Clone) -> Killed:
    with clone.start(*clone.building) as process:
        while process.poll() is None and clone.in_log("local_storage_write") < 2 * FINISHED:
            time.sleep(0.02)  # a build reports to nobody while it runs
        assert process.poll() is None, "the build ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.communicate()
    finished, log = clone.compiled(), clone.log()
    out, err = clone.build("--json")
    return Killed(finished=finished, log=log, out=out, err=err, compiled=clone.compiled())


def wheel_of(out: str) -> Path:
    return Path(json.loads(out)["path"])


def test_a_build_that_was_killed_goes_on_with_what_it_had_compiled(killed: Killed) -> None:
    found, objects = map(
        int, re.findall(r"torch-npu: (\d+) of (\d+) objects had been compiled", killed.err)[0]
    )
    assert killed.finished >= FINISHED
    assert found >= killed.finished
    # cmake's own trials, the stub library and init.cpp are compiled, too
    assert UNITS < objects < UNITS + 20
    assert killed.compiled < objects + 20


def test_the_wheel_holds_the_library_of_all_units(killed: Killed, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel_of(killed.out)) as opened:
        opened.extractall(tmp_path)
    code = "from torch_npu import _C; print(_C.operators(), _C.edition())"
    hccl = tmp_path / "hccl"
    hccl.mkdir()
    (hccl / "hccl.c").write_text("int HcclGetRankId(void) { return 0; }\n")
    library = ["gcc", "-shared", "-fPIC", "-o", str(hccl / "libhccl.so"), str(hccl / "hccl.c")]
    subprocess.run(library, check=True)
    env = {"PYTHONPATH": str(tmp_path), "LD_LIBRARY_PATH": str(hccl)}
    done = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [str(UNITS - 2), "1"]


def test_no_more_compilers_run_than_memory_has_space_for(killed: Killed) -> None:
    (jobs,) = re.findall(r"compiling with (\d+) jobs", killed.log)
    cores = len(os.sched_getaffinity(0))
    assert int(jobs) == share(cores, builds=1, memory_mb=host_memory_mb(), per_job_mb=MEMORY_MB)


@pytest.mark.skipif(UNITS < 2000, reason="a build of seconds: nox -s foreign")
def test_the_time_that_is_left_is_told(killed: Killed) -> None:
    lines = [json.loads(line) for line in killed.err.splitlines() if line.startswith("{")]
    assert any(row.get("left") for row in lines)


def test_a_build_of_what_is_known_starts_no_compiler(clone: Clone, killed: Killed) -> None:
    out, err = clone.build("--json")
    assert clone.compiled() == killed.compiled
    assert wheel_of(out) == wheel_of(killed.out)
    assert '"outcome": "cached"' in err
    assert not any((clone.store / "builds").iterdir())


@pytest.mark.usefixtures("killed")
def test_after_a_change_of_one_file_one_object_is_compiled(clone: Clone) -> None:
    before = clone.compiled()
    clone.names(clone.source.changed(2))
    clone.hand_over()
    _, err = clone.build()
    assert clone.compiled() - before == 1, err


def test_an_incremental_build_is_marked_in_what_the_command_prints(clone: Clone) -> None:
    clone.names(clone.source.changed(3))
    clone.hand_over()
    told = json.loads(clone.build("--incremental", "--json")[0])
    assert told["incremental"] is True
    assert told["filename"].startswith("torch_npu-2.8.0.post2-0incremental-")
    assert "; incremental: " in told["note"]
    out, _ = clone.build("--incremental")
    assert out.startswith(f"{told['filename']}  (incremental: ")
    assert json.loads(clone.build("--json")[0])["incremental"] is False
