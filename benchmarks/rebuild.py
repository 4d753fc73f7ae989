"""A build of torch_npu's size again after a change of one file, beside what ninja and packaging take by themselves.

    python benchmarks/rebuild.py [--units 2000] [--rounds 3] [--torch 2.13.0]

The stand-in of the tests, with the host's own gcc, cmake, ninja and ccache. Three ways take turns in each round:

- *clean*: a new commit through the builder. A fresh source, cmake, the generator, every object that had been compiled
  before out of the store, one compiled, the library linked, the wheel packed, repaired and normalised;
- *incremental*: the same commit with `--incremental`;
- *ninja*: the least that could be done by hand in a folder that was built before. The file changed, `ninja`, and the
  same packing, repairing and normalising.

A fourth comes once, *setup.py*: what a developer types there. The file changed, `setup.py build bdist_wheel`, and the
same repairing and normalising. The generator writes every file anew, so that ninja compiles all of them.
With `--torch` the changed file includes torch's headers, as every unit of torch_npu does, and torch is in the build
environment. Without, it compiles in no time, and what each way does besides is nearly all.
Of the seconds the best counts, and of the ratios to *ninja*, each within one round, the median. The last ratio is the
incremental build beside those parts of it that are the project's own command, repairing and normalising.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.build import making
from ascend_wheelhouse.build.command import Workshop, job_for
from ascend_wheelhouse.build.job import BuildJob
from ascend_wheelhouse.build.normalise import normalise_wheel
from ascend_wheelhouse.build.repair import repair_wheel
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import GitOrigin, Recipe
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.pin.source_locker import SourceLocker
from ascend_wheelhouse.resolve.resolvers import resolver_named
from ascend_wheelhouse.store.store import Store

PROJECT = Path(__file__).parents[1]
sys.path[:0] = [str(PROJECT / "tests/build"), str(PROJECT / "tests/support")]
from big_stand_in import BigStandIn, big_torch_npu  # noqa: E402 - the tests' own

GLIBC = (2, int(os.confstr("CS_GNU_LIBC_VERSION").rsplit(".", 1)[1]))  # type: ignore[union-attr]
CELL = Cell(
    stack="benchmark",
    target=Target.named(platform.machine(), glibc=".".join(map(str, GLIBC))),
    cann="8.5.0",
    components={"torch": "2.8.0", "sglang": "0", "torch-npu": "2.8.0.post2"},
)


def recipe_at(commit: str, needs: Sequence[str]) -> Recipe:
    """Return torch_npu's recipe for the stand-in's small needs, at a commit."""
    table = tomllib.loads((PROJECT / "recipes/torch-npu.toml").read_text("utf-8"))
    table["build"] |= {
        "requirements": ["pip", *needs],
        "toolchain": {},
        "variants": [],
    }
    table["build"] |= {"downloads": [], "memory_mb": 256}
    table["origins"] = [{"kind": "git", "url": "https://github.com/Ascend/pytorch.git", "ref": commit}]
    return Recipe.model_validate(table)


class Bench:
    """A store, the repositories, and the folder in which things are done by hand."""

    def __init__(self, root: Path, units: int, torch: str) -> None:
        self.root = root
        self.store = Store(root / "store")
        self.needs = ["setuptools<80", "wheel==0.45.1", *([f"torch=={torch}"] if torch else [])]
        self.source: BigStandIn = big_torch_npu(root / "servers", units, torch=bool(torch))
        servers = f"file://{root}/servers/"
        self.mirrors = Mirrors(
            prefixes={"https://github.com/Ascend/": servers, "https://code.test/Ascend/": servers}
        )
        self.workshop = Workshop(store=self.store, emit=silent)
        self.incremental = replace(self.workshop, incremental=True)
        self.of_the_project: list[float] = []
        """Of each build in this process: the seconds of its steps, of repairing and of normalising."""

    def job(self, commit: str) -> BuildJob:
        """Return the build of a commit, its sources in the store."""
        recipe = recipe_at(commit, self.needs)
        locker = SourceLocker(
            store=self.store,
            emit=silent,
            http=Http(mirrors=self.mirrors),
            mirrors=self.mirrors,
            resolver=resolver_named("pip-tools"),
            patches=PROJECT / "recipes/patches",
        )
        origin = next(one for one in recipe.origins if isinstance(one, GitOrigin))
        spec = job_for(recipe, CELL, None).spec  # type: ignore[arg-type]
        sources = locker.lock(
            recipe.name,
            "2.8.0.post2",
            origin,
            spec,
            CELL.target,
            fields=CELL.fields | {"version": "2.8.0.post2"},
        )
        return job_for(recipe, CELL, sources)

    def ours(self, commit: str, workshop: Workshop | None = None) -> float:
        """Return what a build of a commit takes, a clean one unless said otherwise."""
        shop, job = workshop or self.workshop, self.job(commit)
        sandbox, toolchain, interpreter = shop.tools(job.spec, CELL)
        builder = shop.builder(sandbox, interpreter, job.spec)
        with took() as seconds, timed_inside() as inside:
            builder.build(job, toolchain)
        self.of_the_project.append(sum(inside))
        return seconds[0]


@contextmanager
def took() -> Iterator[list[float]]:
    """Give a list that holds the seconds of the block at its end."""
    seconds: list[float] = []
    began = time.perf_counter()
    yield seconds
    seconds.append(time.perf_counter() - began)


@contextmanager
def timed_inside() -> Iterator[list[float]]:
    """Give a list that gets the seconds of the steps, of repairing and of normalising, where they are done here."""
    seconds: list[float] = []
    names = ("run_steps", "repair_wheel", "normalise_wheel")
    before = {name: getattr(making, name) for name in names}

    def timing(name: str) -> Callable[..., object]:
        def call(*words: object, **options: object) -> object:
            with took() as one:
                made = before[name](*words, **options)
            seconds.extend(one)
            return made

        return call

    try:
        for name in names:
            setattr(making, name, timing(name))
        yield seconds
    finally:
        for name in names:
            setattr(making, name, before[name])


class ByHand:
    """A clone that was built by hand, as a developer has it."""

    def __init__(self, bench: Bench) -> None:
        self.place = bench.root / "clone"
        # as our wrappers, without the rpath that the interpreter names
        self.env = os.environ | {
            "BUILD_WITHOUT_SHA": "1",
            "LDSHARED": "gcc -shared",
            "LDCXXSHARED": "g++ -shared",
        }
        here = f"url.file://{bench.root}/servers/.insteadOf=https://code.test/Ascend/"
        allow = ("-c", here, "-c", "protocol.file.allow=always")
        self._run(
            "git",
            *allow,
            "clone",
            "-q",
            "--recurse-submodules",
            str(bench.source.top),
            str(self.place),
            at=bench.root,
        )
        made = bench.root / "env"
        self._run(sys.executable, "-m", "venv", str(made), at=bench.root)
        self.python = str(made / "bin/python")
        self.needs = bench.needs
        self._run(self.python, "-m", "pip", "-q", "install", *bench.needs, at=bench.root)
        self._run(self.python, "setup.py", "build", "bdist_wheel", at=self.place)

    def _run(self, *words: str, at: Path) -> None:
        subprocess.run(words, cwd=at, env=self.env, check=True, stdout=subprocess.DEVNULL)

    def by_ninja(self, edition: int) -> float:
        """Change the file, and return what ninja and packaging take."""
        self._change(edition)
        with took() as seconds:
            self._run("ninja", at=self.place / "build/Release")
            shutil.rmtree(self.place / "dist")
            shutil.copytree(
                self.place / "torch_npu/lib", self.place / self._lib() / "lib", dirs_exist_ok=True
            )
            self._run(self.python, "-c", _PACK, at=self.place)
            self._finish()
        return seconds[0]

    def by_setup(self, edition: int) -> float:
        """Change the file, and return what the project's own command and the same finish take."""
        self._change(edition)
        with took() as seconds:
            shutil.rmtree(self.place / "dist")
            self._run(self.python, "setup.py", "build", "bdist_wheel", at=self.place)
            self._finish()
        return seconds[0]

    def _change(self, edition: int) -> None:
        core = self.place / "torch_npu/csrc/core.cpp"
        core.write_text(f"{core.read_text('utf-8')}int edition_{edition}() {{ return {edition}; }}\n")

    def _finish(self) -> None:
        """Repair and normalise the wheel."""
        (wheel,) = (self.place / "dist").glob("*.whl")
        recipe = recipe_at("main", self.needs)
        spec = job_for(recipe, CELL, None).spec  # type: ignore[arg-type]
        for name in ("repaired", "finished"):
            shutil.rmtree(self.place / name, ignore_errors=True)
            (self.place / name).mkdir()
        libraries = tuple(recipe.host_libraries)
        repaired = repair_wheel(wheel, self.place / "repaired", rules=spec.repair, host_libraries=libraries)
        normalise_wheel(repaired.wheel, self.place / "finished", local_version=None, epoch=1767225600)

    def _lib(self) -> str:
        (found,) = (self.place / "build").glob("lib.*")
        return f"build/{found.name}/torch_npu"


# `bdist_wheel --skip-build` would not run the build again; the generator stands at the top of setup.py and is left out
_PACK = """
import re
text = open("setup.py").read()
text = re.sub(r"(?m)^subprocess.check_call.*$", "", text)
import sys
sys.argv = ["setup.py", "-q", "bdist_wheel", "--skip-build"]
exec(compile(text, "setup.py", "exec"), {"__name__": "__main__", "__file__": "setup.py"})
"""


def main() -> None:
    """Build all of it once, then again and again with one file changed, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--units", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--torch", default="", help="have the changed file include the headers of this torch")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchmark-rebuild-") as folder:
        bench = Bench(Path(folder), given.units, given.torch)
        first = bench.ours(bench.source.commit)
        print(f"all of {given.units} units: {first:.1f} s", flush=True)
        seeded = bench.ours(bench.source.changed(1000), bench.incremental)
        print(f"all of them into a new kept tree, out of ccache: {seeded:.1f} s", flush=True)
        by_hand = ByHand(bench)
        shares: list[float] = []
        rounds: dict[str, list[float]] = {"clean": [], "incremental": [], "ninja": [], "setup.py": []}
        for edition in range(2, 2 + given.rounds):
            rounds["ninja"].append(by_hand.by_ninja(edition))
            rounds["incremental"].append(bench.ours(bench.source.changed(edition), bench.incremental))
            shares.append(rounds["incremental"][-1] / bench.of_the_project[-1])
            rounds["clean"].append(bench.ours(bench.source.top_commit()))
        rounds["setup.py"].append(by_hand.by_setup(1001))
        known = bench.ours(bench.source.top_commit(), bench.incremental)
    tell(rounds)
    print(f"incremental: {median(shares):.2f} of the project's own steps, repairing and normalising in it")
    print(f"nothing changed: {known:.2f} s; load {os.getloadavg()[0]:.1f}")


def tell(rounds: Mapping[str, Sequence[float]]) -> None:
    """Print the best of each way, and the median of its ratios to ninja and packaging of the same round."""
    for name, seconds in rounds.items():
        ratio = median(one / least for one, least in zip(seconds, rounds["ninja"], strict=False))
        print(f"one file changed, {name}: {min(seconds):.2f} s, {ratio:.2f} of ninja and packaging")


if __name__ == "__main__":
    main()
