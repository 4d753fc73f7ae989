"""A project folder of the real recipes whose torch_npu is the big stand-in, built by the command itself."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from big_stand_in import BigStandIn, big_torch_npu

from ascend_wheelhouse.build.object_cache import LOG

PROJECT = Path(__file__).parents[2]
MEMORY_MB = 700

ASKED = 1
"""What cmake compiles to ask the compiler, with `-v`: what that prints differs each time, and ccache never finds it."""


@dataclass(frozen=True, kw_only=True)
class Clone:
    """A project folder of the real recipes, in which torch_npu's names the stand-in and its small needs.

    Args:
        root: The folder; its store stands beside it.
        source: What is built.
        options: Further words of the command that builds.
    """

    root: Path
    source: BigStandIn
    options: tuple[str, ...] = ()

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
        return ("build", "torch-npu", "--torch", "2.8.0", "--platform", os.uname().machine, *self.options)

    @property
    def objects(self) -> Path:
        """The compiler's cache: this host's, or the one of the image."""
        (folder,) = (self.store / "objects").glob("torch-npu*")
        return folder

    def compiled(self) -> int:
        """Return for how many objects the compiler was started so far, in all builds."""
        words = ["ccache", "--dir", str(self.objects), "--print-stats"]
        rows = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
        return next(int(row.split("\t")[1]) for row in rows if row.startswith("cache_miss\t"))

    def compiled_after_a_change(self, edition: int) -> int:
        """Change one file, build, and return for how many objects the compiler was started."""
        before = self.compiled()
        self.names(self.source.changed(edition))
        self.hand_over()
        self.build()
        return self.compiled() - before

    def log(self) -> str:
        """Return what the steps of the build that runs, or was killed, have printed."""
        (log,) = (self.store / "builds").glob("torch-npu-*/build.log")
        return log.read_text("utf-8")

    def in_log(self, word: str) -> int:
        """Return how often ccache noted a word in the build that runs, or was killed."""
        folders = (self.store / "builds").glob("torch-npu-*")
        logs = [log for folder in folders if (log := folder / "work" / LOG).exists()]
        return logs[0].read_text("utf-8").split("\n").count(word) if logs else 0


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


def clone_of(place: Path, units: int, *options: str) -> Clone:
    """Return a fresh clone whose sources were handed over."""
    root = place / "project"
    shutil.copytree(PROJECT / "recipes", root / "recipes")
    shutil.copy(PROJECT / "tasks.py", root)
    (root / "lockfiles").mkdir()
    made = Clone(root=root, source=big_torch_npu(place / "servers", units), options=options)
    made.names(made.source.commit)
    made.hand_over()
    return made


def killed_and_gone_on(clone: Clone, finished: int) -> Killed:
    """Kill a build with SIGKILL once it has compiled so many objects, and build again."""
    with clone.start(*clone.building) as process:
        while process.poll() is None and clone.in_log("local_storage_write") < 2 * finished:
            time.sleep(0.02)  # a build reports to nobody while it runs
        assert process.poll() is None, "the build ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.communicate()
    compiled, log = clone.compiled(), clone.log()
    out, err = clone.build("--json")
    return Killed(finished=compiled, log=log, out=out, err=err, compiled=clone.compiled())
