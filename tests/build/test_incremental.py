"""Incremental builds of the stand-in of torch_npu: what is compiled, what is in the wheel, and what is never mixed up.

How many the compiler was started for is counted by ccache, what ninja did by its own lines in the build's log.
"""

from __future__ import annotations

import shutil
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from big_stand_in import BigStandIn, big_torch_npu
from making_builds import SMALL, Bench, cell, recipe_of
from upstreams import commit, git

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.events import Event, Note
from ascend_wheelhouse.build import trees
from ascend_wheelhouse.build.command import Workshop, build_component, job_for, spec_of
from ascend_wheelhouse.build.incremental import IncrementalBuilder, NotIncrementalError, refuse_unfit
from ascend_wheelhouse.build.job import Sources
from ascend_wheelhouse.build.kept_tree import mark
from ascend_wheelhouse.build.object_cache import Objects, objects
from ascend_wheelhouse.build.outcome import BuiltWheel
from ascend_wheelhouse.build.script import StepFailedError
from ascend_wheelhouse.cells.recipe import GitOrigin, Recipe
from ascend_wheelhouse.commands.build import refuse_locked
from ascend_wheelhouse.locks.lock import LockedSource
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.origins.git import pin
from ascend_wheelhouse.origins.mirrors import Mirrors

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(
        not all(map(shutil.which, ("ccache", "cmake", "ninja", "gcc"))),
        reason="ccache, cmake, ninja or gcc is missing",
    ),
]
UNITS = 4
CELL = cell({"torch": "2.8.0", "torch-npu": "2.8.0.post2"})
CORE = "torch_npu/csrc/core.cpp"
HEADER = "torch_npu/csrc/edition.h"
LIBRARY = "torch_npu/lib/libtorch_npu.so"
ASKED = 1
"""What cmake compiles where it asks the compiler again, with `-v`: no two of them print the same."""
URL = "https://github.com/Ascend/pytorch.git"


def small_recipe(**changes: object) -> Recipe:
    """Return torch_npu's own recipe, for the stand-in's small needs and for this host's compiler."""
    table = {"requirements": SMALL, "toolchain": {}, "variants": [], "downloads": [], "memory_mb": 256}
    return recipe_of("torch-npu", **(table | changes))


RECIPE = small_recipe()


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A person's work on torch_npu: a repository, a store, and the builds of its commits.

    Args:
        bench: The store.
        source: The repositories.
        locked: Environment and all else but the tree.
        events: What the builds told.
    """

    bench: Bench
    source: BigStandIn
    locked: Sources
    events: list[Event] = field(default_factory=list)

    def build(
        self, revision: str, *, incremental: bool = True, emit: Callable[[Event], None] | None = None
    ) -> BuiltWheel:
        """Build a commit."""
        tree = pin(URL, revision, store=self.bench.store, mirrors=self.bench.mirrors)
        workshop = Workshop(store=self.bench.store, emit=emit or self.events.append, incremental=incremental)
        built = build_component(RECIPE, CELL, replace(self.locked, tree=tree), workshop)
        assert isinstance(built, list), built
        return built[0]

    @property
    def tree(self) -> Path:
        """The one kept tree."""
        (place,) = (self.bench.store.root / trees.FOLDER).iterdir()
        return place

    @property
    def objects(self) -> Objects:
        """What the objects of the last incremental build came from."""
        return objects(self.tree / "work")

    @property
    def by_ninja(self) -> int:
        """How many objects ninja had made in the last incremental build."""
        return (self.tree / "build.log").read_text("utf-8").count("Building CXX object")

    def members(self, wheel: BuiltWheel) -> dict[str, bytes]:
        """Return what a wheel holds."""
        with zipfile.ZipFile(self.bench.store.path(wheel.sha256)) as opened:
            return {name: opened.read(name) for name in opened.namelist()}

    def content(self, wheel: BuiltWheel) -> dict[str, bytes]:
        """Return what a wheel holds beside what tells its name."""
        ends = (".dist-info/WHEEL", ".dist-info/RECORD")
        return {name: data for name, data in self.members(wheel).items() if not name.endswith(ends)}

    def notes(self) -> str:
        """Return what was noted so far."""
        return "\n".join(event.text for event in self.events if isinstance(event, Note))


def core(line: str = "") -> str:
    """Return the file with the edition in it, which comes from a header, and one line more."""
    return f"""#include "edition.h"
extern "C" int HcclGetRankId(void);
int operators(void);
extern "C" int npu_operators(void) {{ return operators(); }}
extern "C" int npu_rank(void) {{ return HcclGetRankId(); }}
extern "C" int npu_edition(void) {{ return NPU_EDITION; }}
{line}
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    place = tmp_path_factory.mktemp("incremental")
    source = big_torch_npu(place / "servers", UNITS)
    files = {CORE: core(), HEADER: "#define NPU_EDITION 1\n", "torch_npu/extra.py": "x = 1\n"}
    first = commit(source.top, files)
    servers = f"file://{place}/servers/"
    prefixes = {"https://github.com/Ascend/": servers, "https://code.test/Ascend/": servers}
    bench = Bench(root=place / "store", mirrors=Mirrors(prefixes=prefixes))
    origin = next(one for one in RECIPE.origins if isinstance(one, GitOrigin))
    named = RECIPE.model_copy(update={"origins": [origin.model_copy(update={"ref": first})]})
    made = Desk(bench=bench, source=source, locked=bench.lock(named, CELL))
    made.build(first)
    assert made.by_ninja == UNITS
    return made


def test_a_changed_file_is_compiled_alone_and_nothing_when_asked_again(desk: Desk) -> None:
    revision = commit(desk.source.top, {CORE: core("int one_more = 41;")})
    wheel = desk.build(revision)
    assert (desk.objects.compiled, desk.by_ninja) == (1, 1)
    assert b"one_more" in desk.members(wheel)[LIBRARY]
    (desk.tree / "build.log").unlink()
    again = desk.build(revision)
    assert (again.cached, again.sha256) == (True, wheel.sha256)
    assert not (desk.tree / "build.log").exists()


def test_a_changed_header_rebuilds_what_includes_it(desk: Desk) -> None:
    desk.build(
        commit(desk.source.top, {HEADER: "#define NPU_EDITION 70\nextern int seventy;\nint seventy = 70;\n"})
    )
    assert (desk.objects.compiled, desk.by_ninja) == (1, 1)


def test_a_header_that_comes_in_front_of_another_of_its_name_is_what_the_wheel_is_made_of(desk: Desk) -> None:
    before = core('#include "operators.h"\nlong four() { return op_0000(1); }\n')
    desk.build(commit(desk.source.top, {CORE: before}))
    nearer = "long op_0000(long);\nint came_in_front = 4;\n"
    revision = commit(desk.source.top, {"torch_npu/csrc/operators.h": nearer})
    incremental, clean = desk.build(revision), desk.build(revision, incremental=False)
    assert b"came_in_front" in desk.members(clean)[LIBRARY]
    assert desk.content(incremental) == desk.content(clean)
    git(desk.source.top, "rm", "--quiet", "torch_npu/csrc/operators.h")
    desk.build(commit(desk.source.top, {CORE: core()}))


def test_a_removed_module_is_gone_from_the_wheel_and_nothing_is_compiled(desk: Desk) -> None:
    git(desk.source.top, "rm", "--quiet", "torch_npu/extra.py")
    left = desk.members(desk.build(commit(desk.source.top, {})))
    assert "torch_npu/__init__.py" in left
    assert "torch_npu/extra.py" not in left
    assert (desk.objects.compiled, desk.by_ninja) == (ASKED, 0)


def test_the_incremental_wheel_and_the_clean_one_hold_the_same_and_are_never_mixed_up(desk: Desk) -> None:
    revision = commit(desk.source.top, {CORE: core("int both = 9;"), HEADER: "#define NPU_EDITION 8\n"})
    incremental = desk.build(revision)
    clean = desk.build(revision, incremental=False)
    assert not clean.cached
    assert incremental.key != clean.key
    assert (incremental.incremental, clean.incremental) == (True, False)
    assert incremental.filename.startswith("torch_npu-2.8.0.post2-0incremental-cp311-cp311-")
    assert incremental.note.startswith("incremental: ")
    assert "incremental" not in clean.note
    assert desk.content(incremental) == desk.content(clean)
    name = "torch_npu-2.8.0.post2.dist-info/WHEEL"
    assert b"Build: 0incremental\n" in desk.members(incremental)[name]
    assert b"Build:" not in desk.members(clean)[name]
    assert desk.build(revision).sha256 == clean.sha256, "the clean wheel stands in for the incremental one"


def test_a_tree_left_half_synchronised_is_thrown_away(desk: Desk) -> None:
    revision = commit(desk.source.top, {"torch_npu/more.py": "x = 'after a power cut'\n"})
    mark(desk.tree / "half-synchronised")
    desk.build(revision)
    assert desk.by_ninja == UNITS
    assert "thrown away: the last run was stopped amid a change of its files" in desk.notes()


def test_after_a_failed_compile_ninja_goes_on(desk: Desk) -> None:
    with pytest.raises(StepFailedError):
        desk.build(commit(desk.source.top, {CORE: core("int broken = ;")}))
    wheel = desk.build(commit(desk.source.top, {CORE: core("int mended = 1;")}))
    assert (desk.objects.compiled, desk.by_ninja) == (1 + ASKED, 1)
    assert b"mended" in desk.members(wheel)[LIBRARY]


def test_a_second_build_in_the_tree_waits_and_says_so(desk: Desk) -> None:
    revision = commit(desk.source.top, {CORE: core("int second = 2;")})
    waiting = threading.Event()
    made: list[BuiltWheel] = []

    def tell(event: Event) -> None:
        if isinstance(event, Note) and "another run builds in the kept tree" in event.text:
            waiting.set()

    thread = threading.Thread(target=lambda: made.append(desk.build(revision, emit=tell)))
    with trees.alone(desk.bench.store, desk.tree, desk.events.append):
        thread.start()
        assert waiting.wait(60)
        assert not made
    thread.join(60)
    assert made[0].incremental


def test_what_is_in_the_key_beside_the_source_has_a_tree_of_its_own(desk: Desk) -> None:
    workshop = Workshop(store=desk.bench.store, incremental=True)
    places = set()
    for recipe in (RECIPE, small_recipe(), small_recipe(clean=["dist"])):
        job = job_for(recipe, CELL, desk.locked)
        sandbox, toolchain, interpreter = workshop.tools(job.spec, CELL)
        builder = workshop.builder(sandbox, interpreter, job.spec)
        assert isinstance(builder, IncrementalBuilder)
        places.add(builder.tree(job, toolchain))
    assert len(places) == 2


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ({"container": True}, "A container keeps no tree"),
        ({"elsewhere": True}, "A kept tree lies on one host"),
        ({"sandbox": False}, "Without a sandbox a build that was killed may go on"),
        ({"pure": True}, "Nothing of it is compiled"),
    ],
)
def test_where_no_tree_is_kept_one_sentence_says_what_works(where: dict[str, bool], why: str) -> None:
    asked = {"container": False, "elsewhere": False, "sandbox": True, "pure": False} | where
    spec = spec_of(RECIPE, CELL).model_copy(update={"pure": asked.pop("pure")})
    with pytest.raises(NotIncrementalError, match="torch-npu cannot be built incrementally") as caught:
        refuse_unfit("torch-npu", spec, **asked)
    assert why in caught.value.why
    assert caught.value.next_step.startswith("leave out --incremental; it works for")


def test_a_lock_that_has_the_digest_of_the_clean_wheel_takes_no_other() -> None:
    wheel = LockedFile.of(
        Artifact(filename="torch_npu-2.8.0.post2-cp311-cp311-linux_x86_64.whl", size=1, sha256="0" * 64),
        component="torch-npu",
        origin="git",
        note="",
    )
    source = LockedSource(component="torch-npu", version="2.8.0.post2", origin="git", build={}, wheel=wheel)
    with pytest.raises(NotIncrementalError) as caught:
        refuse_locked(source)
    assert "digest of its clean build" in caught.value.why
