import io
import tarfile
from pathlib import Path

import pytest

from ascend_wheelhouse.unpack import extract


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
