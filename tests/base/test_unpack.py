import io
import os
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ascend_wheelhouse.base.unpack import extract


def archive(*members: tarfile.TarInfo) -> tarfile.TarFile:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        for member in members:
            made.addfile(member, io.BytesIO(bytes(member.size)))
    buffer.seek(0)
    return tarfile.open(fileobj=buffer)


def member(name: str, kind: bytes = tarfile.REGTYPE, *, link: str = "", mode: int = 0o666) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode, made.uid = kind, link, mode, 4711
    return made


def test_files_folders_and_inner_links_come_out_with_plain_modes(tmp_path: Path) -> None:
    extract(
        archive(
            member("p", tarfile.DIRTYPE, mode=0o777),
            member("p/a", mode=0o666),
            member("p/run", mode=0o4777),
            member("p/l", tarfile.SYMTYPE, link="../p/a"),
        ),
        tmp_path,
    )
    assert (tmp_path / "p/a").stat().st_mode & 0o7777 == 0o644
    assert (tmp_path / "p/run").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "p/l").resolve() == tmp_path / "p/a"


@pytest.mark.parametrize(
    "hostile",
    [
        member("../out"),
        member("/out"),
        member("p/../../out"),
        member("l", tarfile.SYMTYPE, link="/etc/passwd"),
        member("p/l", tarfile.SYMTYPE, link="../../x"),
        member("h", tarfile.LNKTYPE, link="../x"),
        member("d", tarfile.CHRTYPE),
        member("f", tarfile.FIFOTYPE),
    ],
    ids=lambda one: f"{one.type!r} {one.name} {one.linkname}",
)
def test_what_would_leave_the_folder_is_refused(tmp_path: Path, hostile: tarfile.TarInfo) -> None:
    inner = tmp_path / "in"
    inner.mkdir()
    with pytest.raises(tarfile.ExtractError, match=r"(leads|links|neither)"):
        extract(archive(hostile), inner)
    assert list(inner.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def sym(name: str, link: str) -> tarfile.TarInfo:
    return member(name, tarfile.SYMTYPE, link=link)


@pytest.mark.parametrize(
    "members",
    [
        [sym("a/b/l", "../.."), sym("a/b/m", "l/../.."), member("a/b/m/evil")],
        [sym("a/b/m", "l/../.."), sym("a/b/l", "../.."), member("a/b/m/evil")],
        [sym("a/b/l", "../.."), sym("a/b/m", "l/../..")],
        [member("p/f"), sym("l", "p"), member("l/evil")],
        [sym("l", "p/x"), member("l")],
        [sym("L", "p"), member("l/evil")],
        [member("p/f"), sym("d", "p"), member("./d/../d/evil")],
        [sym("l", "p"), member("h", tarfile.LNKTYPE, link="l")],
    ],
    ids=lambda members: " ".join(f"{one.name}>{one.linkname}" for one in members),
)
def test_nothing_is_written_through_a_link_of_the_archive(
    tmp_path: Path, members: list[tarfile.TarInfo]
) -> None:
    inner = tmp_path / "x" / "y" / "in"
    inner.mkdir(parents=True)
    with pytest.raises(tarfile.ExtractError, match=r"(leads|links)"):
        extract(archive(*members), inner)
    assert not [path for path in tmp_path.rglob("*") if path.name == "evil"]


def test_a_link_below_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(tarfile.ExtractError, match=r"^a/a stands below a file of the archive"):
        extract(archive(member("a"), sym("a/a", "./a")), tmp_path)


NAMES = st.lists(st.sampled_from(["a", "b", "A", "..", ".", "l"]), min_size=1, max_size=4).map("/".join)
MEMBERS = st.builds(
    lambda name, kind, link: member(name, kind, link=link if kind != tarfile.REGTYPE else ""),
    NAMES,
    st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE]),
    NAMES,
)


@settings(deadline=None, max_examples=500)
@given(st.lists(MEMBERS, max_size=6))
def test_whatever_links_an_archive_holds_nothing_appears_outside(members: list[tarfile.TarInfo]) -> None:
    with tempfile.TemporaryDirectory() as base:
        inner = Path(base, "x", "y", "in")
        inner.mkdir(parents=True)
        with suppress(tarfile.ExtractError, OSError, KeyError):
            extract(archive(*members), inner)
            top = Path(os.path.realpath(inner))
            assert all(Path(os.path.realpath(path)).is_relative_to(top) for path in inner.rglob("*"))
        outside = [path for path in Path(base).rglob("*") if inner not in (path, *path.parents)]
        assert outside == [Path(base, "x"), Path(base, "x", "y")]


@pytest.mark.parametrize(
    "members",
    [
        [member("a"), member("a/b")],
        [member("a/b"), member("a")],
        [member("p", tarfile.DIRTYPE), member("p")],
        [member("p"), member("p", tarfile.DIRTYPE)],
    ],
    ids=lambda members: " ".join(f"{one.name}{'/' * one.isdir()}" for one in members),
)
def test_what_is_a_file_and_a_folder_at_once_is_refused(
    tmp_path: Path, members: list[tarfile.TarInfo]
) -> None:
    with pytest.raises(tarfile.ExtractError, match=r"(file and a folder|twice)"):
        extract(archive(*members), tmp_path)


def test_twins_in_another_case_come_out_apart_and_never_through_a_link(tmp_path: Path) -> None:
    first, second = member("p/a"), member("p/A")
    second.size = 3
    extract(archive(first, second), tmp_path)
    assert {path.name: path.stat().st_size for path in (tmp_path / "p").iterdir()} == {"a": 0, "A": 3}
    with pytest.raises(tarfile.ExtractError, match=r"leads through"):
        extract(archive(sym("q/l", "../p"), member("q/L/evil")), tmp_path)


def test_an_archive_that_swells_is_refused_before_its_bytes_are_written(tmp_path: Path) -> None:
    swollen = member("zeros")
    swollen.size = 65 << 20
    with pytest.raises(tarfile.ExtractError, match=r"swells"):
        extract(archive(swollen), tmp_path, packed=70_000)
    assert list(tmp_path.iterdir()) == []
