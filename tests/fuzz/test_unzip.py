"""Zip archives from anywhere, in every reader: nothing outside, nothing over another file, nothing half made."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_zip import DEVICE, FOLDER, LINK, PIPE, PLAIN, Entry, archive

from ascend_wheelhouse.audit.policy import policy_from_recipes
from ascend_wheelhouse.audit.runner import audit_wheels
from ascend_wheelhouse.base.archives import ZipArchive
from ascend_wheelhouse.base.errors import BuildError, IntegrityError, ResolveError, UsageError
from ascend_wheelhouse.build.job import Archive
from ascend_wheelhouse.build.normalise import normalise_wheel
from ascend_wheelhouse.build.source_tree import BadArchiveError, unpack
from ascend_wheelhouse.cells.artefact_name import NameFacts
from ascend_wheelhouse.cells.compatibility import load_compatibility
from ascend_wheelhouse.cells.recipe import Recipes
from ascend_wheelhouse.cells.stack import load_catalogue
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.fetch.archive import take_member
from ascend_wheelhouse.folder.sbom import read_facts
from ascend_wheelhouse.handover.vendor import vendor_file
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.wheels.wheel import BadWheelError, WheelFile
from ascend_wheelhouse.wheels.wheel_names import check_wheel_names

RECIPES = Path(__file__).parents[2] / "recipes"
WHEEL = "sgl_kernel_npu-2026.1.21-cp311-cp311-linux_aarch64.whl"
INFO = "sgl_kernel_npu-2026.1.21.dist-info"
BIG = 80 << 20
EXAMPLES = int(os.environ.get("WHEELHOUSE_FUZZ_EXAMPLES", "15"))


def opened(*entries: Entry) -> ZipArchive:
    return ZipArchive(io.BytesIO(archive(entries)))


def test_files_and_folders_come_out_with_plain_modes(tmp_path: Path) -> None:
    setuid = PLAIN | 0o4755
    opened(
        Entry(name="p/", data=b"", mode=FOLDER),
        Entry(name="p/a", data=b"text", mode=0),
        Entry(name="p/run", mode=setuid),
        Entry(name="q/b", data=b"y" * 999, method=8),
    ).unzip(tmp_path / "in")
    assert (tmp_path / "in/p/a").read_text() == "text"
    assert (tmp_path / "in/p/a").stat().st_mode & 0o7777 == 0o644
    assert (tmp_path / "in/p/run").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "in/q/b").read_bytes() == b"y" * 999


HOSTILE = {
    "climbs": [Entry(name="../out")],
    "climbs inside": [Entry(name="p/../../out")],
    "is absolute": [Entry(name="/out")],
    "has dots": [Entry(name="./a")],
    "has a backslash": [Entry(name="..\\out")],
    "has a drive": [Entry(name="C:out")],
    "has no name": [Entry(name="")],
    "has a zero": [Entry(name="a\0b")],
    "is a link": [Entry(name="l", data=b"..", mode=LINK), Entry(name="l/out")],
    "is a link out": [Entry(name="l", data=b"/etc/passwd", mode=LINK)],
    "is a device": [Entry(name="d", mode=DEVICE)],
    "is a pipe": [Entry(name="f", mode=PIPE)],
    "stands twice": [Entry(name="a", data=b"1"), Entry(name="a", data=b"2")],
    "is file and folder": [Entry(name="a"), Entry(name="a/b")],
    "is folder and file": [Entry(name="a/b"), Entry(name="a")],
    "is a folder and a file": [Entry(name="a/", data=b"", mode=FOLDER), Entry(name="a")],
    "lies over another": [Entry(name="a"), Entry(name="b", over=0)],
    "swells": [Entry(name="a", data=bytes(BIG), method=8)],
    "states to swell": [Entry(name="a", size=BIG)],
    "swells with others": [Entry(name=f"a{n}", data=bytes(BIG // 4), method=8) for n in range(5)],
    "is encrypted": [Entry(name="a", flags=1)],
}


@pytest.mark.parametrize("entries", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_archive_is_refused_before_anything_is_written(
    tmp_path: Path, entries: list[Entry]
) -> None:
    inner = tmp_path / "x" / "in"
    with pytest.raises(zipfile.BadZipFile):
        opened(Entry(name="good"), *entries).unzip(inner)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(
    "entries",
    [
        [Entry(name="a", local_name="../out")],
        [Entry(name="a", check=1)],
        [Entry(name="a", method=99)],
        [Entry(name="a", data=b"x" * 50, method=8, packed=3)],
    ],
    ids=["another name beside the data", "another checksum", "an unknown method", "cut short"],
)
def test_what_only_reading_shows_leaves_no_source_behind(tmp_path: Path, entries: list[Entry]) -> None:
    store = Store(tmp_path / "store")
    digest = store.add(io.BytesIO(archive([Entry(name="p/good"), *entries])))
    folder = tmp_path / "work" / "source"
    folder.mkdir(parents=True)
    with pytest.raises(BadArchiveError, match=r"cannot be unpacked"):
        unpack(Archive(filename="p-1.zip", sha256=digest, epoch=0), store, folder)
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["source"]
    assert list(folder.iterdir()) == []


def test_twins_in_another_case_never_lie_over_each_other(tmp_path: Path) -> None:
    """Where the file system tells case, both come out; where it does not, the second ends the unpacking."""
    opened(Entry(name="a", data=b"1"), Entry(name="A", data=b"2")).unzip(tmp_path / "in")
    assert {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()} == {"a": b"1", "A": b"2"}
    (tmp_path / "blind").mkdir()
    (tmp_path / "blind" / "A").write_bytes(b"0")
    with pytest.raises(FileExistsError):
        opened(Entry(name="a"), Entry(name="A")).unzip(tmp_path / "blind")
    assert (tmp_path / "blind" / "A").read_bytes() == b"0"


PARTS = st.sampled_from(["a", "b", "A", "l", "..", ".", "", "a.py", "C:", "..\\x", "\0", "é", INFO, "x.data"])
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join) | st.sampled_from(
    [f"{INFO}/METADATA", f"{INFO}/RECORD", f"{INFO}/WHEEL", f"{INFO}/", WHEEL, f"r/{WHEEL}"]
)
CONTENTS = st.sampled_from(
    [
        b"",
        b"x",
        b"..",
        b"/etc/passwd",
        b"Metadata-Version: 2.1\nName: sgl-kernel-npu\nVersion: 2026.1.21\n",
        b"Metadata-Version: 2.1\nName: other\nVersion: 1\nRequires-Dist: a; extra ==\n",
        b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: cp311-cp311-linux_aarch64\n",
        b"a,sha256=x,1\nb,,\nc\n",
        b"a.libs/x.so,sha256=*,1\n",
        b"\xff\xfe\0",
        bytes(3000),
        archive([Entry(name="../up"), Entry(name=f"{INFO}/METADATA")]),
    ]
)
ENTRIES = st.builds(
    Entry,
    name=NAMES,
    data=CONTENTS,
    mode=st.sampled_from([PLAIN, PLAIN, PLAIN, 0, LINK, FOLDER, DEVICE, PIPE]),
    local_name=st.none() | st.none() | st.none() | NAMES,
    size=st.none() | st.none() | st.sampled_from([0, 1, BIG, 0xFFFFFFFE]),
    packed=st.none() | st.none() | st.none() | st.sampled_from([0, 1, 0xFFFFFFFE]),
    over=st.none() | st.none() | st.none() | st.integers(0, 3),
    flags=st.sampled_from([0, 0, 0, 1, 8]),
    method=st.sampled_from([0, 0, 8, 8, 12, 14, 99]),
    check=st.none() | st.none() | st.just(1),
)
ARCHIVES = st.lists(ENTRIES, max_size=6).map(archive)
zipped = settings(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


@settings(zipped, max_examples=3 * EXAMPLES)
@given(ARCHIVES)
def test_whatever_a_zip_archive_holds_nothing_appears_outside(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as base:
        inner = Path(base, "x", "y", "in")
        with suppress(zipfile.BadZipFile), ZipArchive(io.BytesIO(data)) as made:
            with suppress(
                zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, OSError, ValueError
            ):
                made.unzip(inner)
            assert not [path for path in inner.rglob("*") if path.is_symlink()]
        outside = {path for path in Path(base).rglob("*") if inner not in (path, *path.parents)}
        assert outside <= {Path(base, "x"), Path(base, "x", "y")}


@pytest.fixture(scope="module")
def recipes() -> Recipes:
    return load_catalogue(RECIPES).recipes


def _read_through(path: Path) -> None:
    with WheelFile.open(path) as wheel:
        for member in wheel.members:
            with suppress(BadWheelError):
                for _piece in wheel.chunks(member):
                    pass
        for name in ("dist_info", "metadata", "wheel_headers", "record"):
            with suppress(BadWheelError):
                getattr(wheel, name)


def _audited(path: Path) -> None:
    policy = policy_from_recipes(
        load_catalogue(RECIPES), load_compatibility(RECIPES), Target.named("aarch64")
    )
    assert audit_wheels([path], policy).wheels


READERS: dict[str, Callable[[Path], object]] = {
    "WheelFile": _read_through,
    "the audit": _audited,
    "the bill": read_facts,
    "fetching": lambda path: check_wheel_names(path, path.name),
    "normalising": lambda path: normalise_wheel(path, path.parent / "out", local_version="x", epoch=0),
}
"""What opens a wheel by its path, and may write to `out/` beside it."""


@pytest.mark.parametrize("reader", READERS)
@settings(zipped, max_examples=EXAMPLES)
@given(data=ARCHIVES)
def test_whatever_a_wheel_holds_every_reader_reads_or_refuses_it(reader: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as base:
        path = Path(base, "x", WHEEL)
        (path.parent / "out").mkdir(parents=True)
        path.write_bytes(data)
        refused = False
        try:
            READERS[reader](path)
        except (IntegrityError, BuildError):
            refused = True
        left = {str(one.relative_to(base)) for one in Path(base).rglob("*")} - {"x", f"x/{WHEEL}", "x/out"}
        assert not refused or not left, left
        assert all(one.startswith("x/out/") and one.count("/") == 2 for one in left)


@pytest.mark.parametrize("name", [WHEEL, "sgl-kernel-npu_2026.01.21_8.5.0_a3_cp311_aarch64.zip", "member"])
@settings(zipped, max_examples=EXAMPLES)
@given(data=ARCHIVES)
def test_whatever_is_imported_is_kept_whole_or_not_at_all(recipes: Recipes, name: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as base:
        path = Path(base, "x", name)
        path.parent.mkdir()
        path.write_bytes(data)
        store = Store(Path(base, "store"))
        stated = NameFacts(npu="a3", version="2026.01.21", cann="8.5.0", machine="aarch64")
        kept = False
        with suppress(IntegrityError, ResolveError, UsageError):
            if name == "member":
                take_member(path, "*.whl", store, label="a release")
            else:
                vendor_file(path, store=store, recipes=recipes, component="sgl-kernel-npu", stated=stated)
            kept = True
        assert kept or not list(store.root.glob("vendored/*/*.json"))
        assert not list(store.root.glob("incoming/*"))
        assert {one.name for one in Path(base).iterdir()} <= {"x", "store"}
        assert [one.name for one in path.parent.iterdir()] == [name]


@pytest.mark.parametrize("reader", ["fetching", "the bill"])
@pytest.mark.parametrize("part", ["METADATA", "RECORD"])
def test_a_description_that_swells_is_not_read(tmp_path: Path, reader: str, part: str) -> None:
    head = b"Metadata-Version: 2.1\nName: sgl-kernel-npu\nVersion: 2026.1.21\n"
    texts = {"METADATA": head, "RECORD": b""} | {part: head + bytes(BIG)}
    path = tmp_path / WHEEL
    path.write_bytes(
        archive([Entry(name=f"{INFO}/{name}", data=text, method=8) for name, text in texts.items()])
    )
    if reader == "fetching" and part == "RECORD":
        check_wheel_names(path, WHEEL)  # it reads no RECORD
        return
    with pytest.raises(IntegrityError, match=r"more than \d+ bytes"):
        READERS[reader](path)
