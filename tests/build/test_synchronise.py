"""What stays in a kept tree, what is written and what goes; no compiler is started here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.events import Event, Note
from ascend_wheelhouse.build.kept_tree import KeptTree, mark
from ascend_wheelhouse.build.settle import settle

SEEN = "/build/source"
LOG = "# ninja log v5\n"


@dataclass(frozen=True, kw_only=True)
class At(SystemClock):
    """A clock that says another time than the host's."""

    ahead: float

    def wall(self) -> float:
        """Return the seconds since 1970."""
        return super().wall() + self.ahead


def write(top: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)


@dataclass(frozen=True, kw_only=True)
class Bed:
    """A kept tree and what is brought to it."""

    root: Path
    tree: KeptTree
    told: list[Event]

    def bring(self, files: dict[str, str], *, finish: bool = True, variables: str = "") -> None:
        """Bring the tree to a source, as one build does that ends well."""
        self.tree.begin(self.told.append)
        write(self.tree.fresh, files | {".git/HEAD": str(len(files))})
        write(self.tree.place / "work/shims", {"gcc": "#!/bin/sh\n"})
        self.tree.take(seen=SEEN, variables={"FLAGS": variables}, emit=self.told.append)
        if finish:
            self.tree.finished()

    def age(self) -> None:
        """Make all that is there an hour older."""
        for path in self.tree.place.rglob("*"):
            then = path.lstat().st_mtime_ns - 3600 * 10**9
            os.utime(path, ns=(then, then), follow_symlinks=False)

    def made(self, files: dict[str, str]) -> None:
        """Have a build make files."""
        write(self.tree.source, files)

    @property
    def files(self) -> set[str]:
        """What is in the source folder, git's own aside."""
        top = self.tree.source
        names = {str(path.relative_to(top)) for path in top.rglob("*") if not path.is_dir()}
        return {name for name in names if not name.startswith(".git/")}

    def time(self, name: str) -> int:
        """Return a file's time."""
        return (self.tree.source / name).stat().st_mtime_ns


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    made = Bed(root=tmp_path, tree=KeptTree(place=tmp_path / "tree"), told=[])
    made.bring({"setup.py": "1", "a.cpp": "a", "b.cpp": "b"})
    made.age()
    return made


def test_a_changed_file_is_newer_than_every_object_and_an_equal_one_keeps_its_time(bed: Bed) -> None:
    bed.made({"build/Release/.ninja_log": LOG, "build/Release/a.o": "object"})
    equal, before = bed.time("b.cpp"), bed.time("build/Release/a.o")
    bed.bring({"setup.py": "1", "a.cpp": "changed", "b.cpp": "b"})
    assert bed.time("a.cpp") > before
    assert bed.time("b.cpp") == equal
    assert bed.time("build/Release/a.o") == before
    assert (bed.tree.source / "a.cpp").read_text() == "changed"


def test_a_change_that_leaves_a_file_s_size_and_time_is_seen_by_a_process_that_compared_it_before(
    bed: Bed,
) -> None:
    """Commits of one second that change a digit: their trees have one time, and files of one size."""
    for line in ("int a = 1;", "int a = 1;", "int a = 8;"):
        bed.tree.begin(bed.told.append)
        write(bed.tree.fresh, {"a.cpp": line, ".git/HEAD": "1"})
        os.utime(bed.tree.fresh / "a.cpp", (10**9, 10**9))
        write(bed.tree.place / "work/shims", {"gcc": "#!/bin/sh\n"})
        bed.tree.take(seen=SEEN, variables={}, emit=bed.told.append)
        bed.tree.finished()
        assert (bed.tree.source / "a.cpp").read_text() == line


def test_a_source_that_the_build_changed_itself_is_put_right(bed: Bed) -> None:
    bed.made({"b.cpp": "scribbled"})
    bed.bring({"setup.py": "1", "a.cpp": "a", "b.cpp": "b"})
    assert (bed.tree.source / "b.cpp").read_text() == "b"


def test_what_setuptools_collected_and_a_generator_wrote_goes_and_objects_stay(bed: Bed) -> None:
    bed.made(
        {
            "build/lib.linux-x86_64/p/gone.py": "",
            "build/bdist.linux/x": "",
            "dist/p.whl": "",
            "p.egg-info/SOURCES.txt": "p/gone.py",
            "generated/operator.cpp": "",
            "build/Release/CMakeCache.txt": "",
            "build/Release/CMakeFiles/a.o": "",
        }
    )
    bed.bring({"setup.py": "1", "a.cpp": "a changed", "b.cpp": "b"})
    objects = {"build/Release/CMakeCache.txt", "build/Release/CMakeFiles/a.o"}
    assert bed.files == {"setup.py", "a.cpp", "b.cpp"} | objects


def test_where_cmake_builds_in_setuptools_folder_the_collected_packages_go_all_the_same(bed: Bed) -> None:
    bed.made({"build/CMakeCache.txt": "", "build/a.o": "", "build/lib.linux-x86_64/p/gone.py": ""})
    bed.bring({"setup.py": "1", "a.cpp": "a changed", "b.cpp": "b"})
    assert bed.files == {"setup.py", "a.cpp", "b.cpp", "build/CMakeCache.txt", "build/a.o"}


def test_a_library_that_ninja_made_amid_the_package_stays_while_only_code_changes(bed: Bed) -> None:
    log = f"{LOG}1\t2\t3\t{SEEN}/p/lib/one.so\tcafe\n1\t2\t3\t../../p/lib/two.so\tcafe\n"
    made = {"build/Release/.ninja_log": log, "p/lib/one.so": "", "p/lib/two.so": "", "p/lib/stray.so": ""}
    bed.made(made)
    bed.bring({"setup.py": "1", "a.cpp": "a changed", "b.cpp": "b"})
    assert {name for name in bed.files if name.endswith(".so")} == {"p/lib/one.so", "p/lib/two.so"}
    bed.bring({"setup.py": "2", "a.cpp": "a changed", "b.cpp": "b"})
    assert {name for name in bed.files if name.endswith(".so")} == set()


@pytest.mark.parametrize(
    "source",
    [
        {"setup.py": "2", "a.cpp": "a", "b.cpp": "b"},
        {"setup.py": "1", "a.cpp": "a"},
        {"setup.py": "1", "a.cpp": "a", "b.cpp": "b", "c.cpp": "c"},
    ],
    ids=["build file", "a file less", "a file more"],
)
def test_cmake_asks_again_after_more_than_a_change_of_code(bed: Bed, source: dict[str, str]) -> None:
    bed.made({"build/Release/CMakeCache.txt": "OPTION=old", "build/Release/a.o": ""})
    bed.bring(source)
    assert bed.files == {*source, "build/Release/a.o"}


def test_cmake_asks_again_after_a_change_of_the_recipes_variables(bed: Bed) -> None:
    """A variable may name the commit, which is no part of what a tree is known by."""
    bed.made({"build/Release/CMakeCache.txt": "FLAGS=old", "build/Release/a.o": ""})
    bed.bring({"setup.py": "1", "a.cpp": "a", "b.cpp": "b"}, variables="new")
    assert bed.files == {"setup.py", "a.cpp", "b.cpp", "build/Release/a.o"}


def test_where_ninja_writes_over_the_source_nothing_of_it_is_gone_on_with(bed: Bed) -> None:
    """The file of the source would be the newer one, and ninja would leave it there."""
    bed.made({"build/Release/.ninja_log": f"{LOG}1\t2\t3\t../../b.cpp\tcafe\n", "b.cpp": "made"})
    bed.bring({"setup.py": "1", "a.cpp": "a", "b.cpp": "b"})
    assert bed.files == {"setup.py", "a.cpp", "b.cpp"}


def test_a_project_that_configures_cmake_amid_its_own_files_keeps_no_objects(bed: Bed) -> None:
    bed.made({"CMakeCache.txt": "", "CMakeFiles/a.o": "", "build/Release/.ninja_log": LOG})
    bed.bring({"setup.py": "1", "a.cpp": "a changed", "b.cpp": "b"})
    assert bed.files == {"setup.py", "a.cpp", "b.cpp", "build/Release/.ninja_log"}


def test_after_a_killed_build_the_objects_of_make_go_and_those_of_ninja_stay(bed: Bed) -> None:
    bed.bring({"setup.py": "1", "a.cpp": "a", "b.cpp": "b"}, finish=False)
    bed.made({"make/CMakeCache.txt": "", "make/half.o": "", "ninja/.ninja_log": LOG, "ninja/half.o": ""})
    bed.made({"ninja/CMakeCache.txt": "half an answer"})
    bed.bring({"setup.py": "1", "a.cpp": "a", "b.cpp": "b"})
    assert bed.files == {"setup.py", "a.cpp", "b.cpp", "ninja/.ninja_log", "ninja/half.o"}


def test_a_tree_left_half_synchronised_is_begun_anew(bed: Bed) -> None:
    bed.made({"ninja/.ninja_log": LOG, "ninja/a.o": ""})
    mark(bed.tree.place / "half-synchronised")
    bed.bring({"setup.py": "1", "a.cpp": "a", "b.cpp": "b"})
    assert bed.files == {"setup.py", "a.cpp", "b.cpp"}
    assert not (bed.tree.place / "half-synchronised").exists()


def test_other_compiler_wrappers_begin_anew(bed: Bed) -> None:
    bed.made({"ninja/.ninja_log": LOG, "ninja/a.o": ""})
    known = bed.tree.place / "source.json"
    known.write_text(known.read_text().replace('"shims": "', '"shims": "0'))
    bed.bring({"setup.py": "1", "a.cpp": "a", "b.cpp": "b"})
    assert bed.files == {"setup.py", "a.cpp", "b.cpp"}


@pytest.mark.parametrize("text", ["a", "a changed"], ids=["nothing written", "a file written"])
def test_a_clock_behind_the_objects_begins_anew(bed: Bed, text: str) -> None:
    """What a generator writes would look older than its objects, where no file of the source is written at all."""
    bed.made({"ninja/.ninja_log": LOG, "ninja/a.o": ""})
    late = Bed(root=bed.root, tree=KeptTree(place=bed.tree.place, clock=At(ahead=-60)), told=bed.told)
    late.bring({"setup.py": "1", "a.cpp": text, "b.cpp": "b"})
    assert late.files == {"setup.py", "a.cpp", "b.cpp"}
    (note,) = (event.text for event in bed.told if isinstance(event, Note))
    assert note == "the kept tree tree is thrown away: the clock is behind what was built before"


def test_git_is_that_of_the_new_source(bed: Bed) -> None:
    bed.bring({"setup.py": "1"})
    assert (bed.tree.source / ".git/HEAD").read_text() == "1"


def test_a_link_is_compared_as_a_link_and_never_written_through(bed: Bed) -> None:
    (bed.tree.source / "a.cpp").unlink()
    (bed.root / "outside").write_text("theirs")
    (bed.tree.source / "a.cpp").symlink_to(bed.root / "outside")
    bed.bring({"setup.py": "1", "a.cpp": "a", "b.cpp": "b"})
    assert (bed.root / "outside").read_text() == "theirs"
    assert not (bed.tree.source / "a.cpp").is_symlink()


@pytest.mark.parametrize("name", ["source", "bytecode"])
def test_a_link_that_a_build_put_in_the_place_of_a_kept_folder_goes_and_what_it_leads_to_stays(
    bed: Bed, name: str
) -> None:
    write(bed.root, {"outside/mine": "mine"})
    place = bed.tree.place / "work" / name
    if place.exists():
        place.rename(place.with_name("away"))
    place.symlink_to(bed.root / "outside")
    bed.bring({"setup.py": "1", "a.cpp": "a", "b.cpp": "b"})
    bed.tree.keep_bytecode(SEEN)
    assert [path.name for path in (bed.root / "outside").iterdir()] == ["mine"]
    assert bed.files == {"setup.py", "a.cpp", "b.cpp"}


def test_a_link_that_a_build_put_in_the_place_of_a_folder_is_not_gone_through(bed: Bed) -> None:
    """Its log of ninja may say that the link is its own, which stays then."""
    bed.bring({"p/a.cpp": "a"})
    bed.age()
    write(bed.root, {"outside/a.cpp": "mine"})
    bed.made({"build/Release/.ninja_log": f"{LOG}1\t2\t3\t{SEEN}/p\tcafe\n"})
    (bed.tree.source / "p/a.cpp").unlink()
    (bed.tree.source / "p").rmdir()
    (bed.tree.source / "p").symlink_to(bed.root / "outside")
    bed.bring({"p/a.cpp": "a changed"})
    assert (bed.root / "outside/a.cpp").read_text() == "mine"
    assert (bed.tree.source / "p/a.cpp").read_text() == "a changed"


def test_a_folder_where_a_file_was_and_a_file_where_a_folder_was(bed: Bed) -> None:
    bed.bring({"setup.py/x": "1", "a.cpp": "a", "b.cpp": "b"})
    assert bed.files == {"setup.py/x", "a.cpp", "b.cpp"}
    bed.bring({"setup.py": "1", "a.cpp": "a", "b.cpp": "b"})
    assert bed.files == {"setup.py", "a.cpp", "b.cpp"}


@pytest.mark.parametrize("length", [4, 1 << 20])
def test_a_file_written_again_with_equal_bytes_gets_its_earlier_time_back(bed: Bed, length: int) -> None:
    bed.made({"generated/a.h": "s" * length, "generated/b.h": "b" * length})
    settle(str(bed.tree.source), str(bed.tree.record))
    first = bed.time("generated/a.h")
    (bed.tree.source / "generated/a.h").unlink()
    bed.made({"generated/a.h": "s" * length, "generated/b.h": "a" * length})
    then = first + 10**9
    for name in ("a.h", "b.h"):
        os.utime(bed.tree.source / "generated" / name, ns=(then, then))
    settle(str(bed.tree.source), str(bed.tree.record))
    assert bed.time("generated/a.h") == first
    assert bed.time("generated/b.h") == then


def test_bytes_that_stood_there_two_builds_ago_are_a_change(bed: Bed) -> None:
    times = []
    for number, text in enumerate(("one", "two", "one")):
        bed.made({"a.h": text})
        then = (1_700_000_000 + number) * 10**9
        os.utime(bed.tree.source / "a.h", ns=(then, then))
        settle(str(bed.tree.source), str(bed.tree.record))
        times.append(bed.time("a.h"))
    assert times == sorted(set(times))


def test_what_ninja_makes_keeps_the_time_that_ninja_gave_it(bed: Bed) -> None:
    log = f"{LOG}1\t2\t3\t../../p/one.so\tcafe\n"
    bed.made({"build/Release/.ninja_log": log, "build/Release/a.o": "o", "p/one.so": "same"})
    settle(str(bed.tree.source), str(bed.tree.record))
    for name in ("build/Release/a.o", "p/one.so"):
        os.utime(bed.tree.source / name, ns=(4 * 10**18, 4 * 10**18))
    settle(str(bed.tree.source), str(bed.tree.record))
    assert bed.time("build/Release/a.o") == bed.time("p/one.so") == 4 * 10**18


DEPS = b"# ninjadeps\n\4\0\0\0" + b"\x14\0\0\0/build/source/x/one.h\0\0" + b"\x0c\0\0\0made.h\0\0\1\1\1\1"


@pytest.mark.parametrize(
    ("came", "stays"),
    [("y/one.h", False), ("y/made.h", False), ("y/two.h", True), ("y/h.h", True), ("y/one.cpp", True)],
)
def test_objects_go_where_a_header_comes_that_may_be_found_before_the_one_they_are_made_with(
    bed: Bed, came: str, *, stays: bool
) -> None:
    """As ninja asks again after the files that it knows alone."""
    bed.made({"build/Release/.ninja_log": LOG, "build/Release/a.o": "object"})
    (bed.tree.source / "build/Release/.ninja_deps").write_bytes(DEPS)
    bed.bring({"setup.py": "1", "a.cpp": "a", "b.cpp": "b", came: "new"})
    assert ("build/Release/a.o" in bed.files) == stays


def test_a_link_to_a_folder_that_becomes_a_folder_with_the_same_files_holds_them(bed: Bed) -> None:
    source = {"setup.py": "1", "a.cpp": "a", "b.cpp": "b", "new/x.h": "x"}
    bed.bring(source)
    (bed.tree.source / "old").symlink_to("new")
    bed.bring(source | {"old/x.h": "x"})
    assert {"new/x.h", "old/x.h"} <= bed.files
    assert not (bed.tree.source / "old").is_symlink()
