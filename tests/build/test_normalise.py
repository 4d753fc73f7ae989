import base64
import csv
import hashlib
import os
import stat
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest
from packaging.utils import parse_wheel_filename

from ascend_wheelhouse.build.normalise import UnfitWheelError, normalise_wheel
from ascend_wheelhouse.wheels.wheel import BadWheelError, WheelFile

INFO = "my_pkg-1.0.dist-info"
METADATA = "Metadata-Version: 2.1\nName: my-pkg\nVersion: 1.0\nSummary: x\n\nVersion: 1.0 stays in the text\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\nTag: py2-none-any\n\n"
TAGS_SWAPPED = WHEEL.replace("Tag: py3-none-any\nTag: py2-none-any", "Tag: py2-none-any\nTag: py3-none-any")
FILES = {
    "my_pkg/__init__.py": "print('hello')\n",
    "my_pkg/tool": "#!/bin/sh\n",
    "my_pkg-1.0.data/scripts/run": "#!python\n",
    f"{INFO}/METADATA": METADATA,
    f"{INFO}/WHEEL": WHEEL,
    f"{INFO}/RECORD": "stale\n",
    f"{INFO}/entry_points.txt": "",
}


@dataclass(frozen=True, kw_only=True)
class Builder:
    """What a builder leaves its traces with."""

    files: Mapping[str, str] = field(default_factory=lambda: FILES)
    year: int = 2020
    umask: int = 0o022
    backwards: bool = False
    folders: bool = False
    level: int = 6
    method: int = ZIP_DEFLATED
    name: str = "my_pkg-1.0-py2.py3-none-any.whl"

    def write(self, folder: Path) -> Path:
        """Write the wheel as this builder would."""
        folder.mkdir(exist_ok=True)
        path = folder / self.name
        with ZipFile(path, "w", self.method, compresslevel=self.level) as archive:
            if self.folders:
                archive.writestr(ZipInfo("my_pkg/", (self.year, 1, 1, 0, 0, 0)), "")
            for name in sorted(self.files, reverse=self.backwards):
                entry = ZipInfo(name, (self.year, 1, 1, 0, 0, 0))
                wanted = 0o777 if name.endswith(("tool", "run")) else 0o666
                entry.external_attr = (stat.S_IFREG | wanted & ~self.umask) << 16
                archive.writestr(entry, self.files[name], self.method, self.level)
        return path


def normalised(tmp_path: Path, builder: Builder, *, local: str | None = None) -> Path:
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    return normalise_wheel(builder.write(tmp_path / "in"), out, local_version=local, epoch=1_700_000_000)


@pytest.mark.parametrize(
    "other",
    [
        Builder(year=2033),
        Builder(umask=0o077),
        Builder(backwards=True),
        Builder(folders=True),
        Builder(level=1),
        Builder(method=ZIP_STORED),
        Builder(files={**FILES, f"{INFO}/WHEEL": TAGS_SWAPPED}),
        Builder(files={**FILES, f"{INFO}/RECORD": "another,,\n", f"{INFO}/RECORD.jws": "signed"}),
    ],
    ids=["time", "umask", "order", "folders", "level", "method", "tags", "record"],
)
def test_nothing_of_the_builder_is_left(tmp_path: Path, other: Builder) -> None:
    first = normalised(tmp_path, Builder()).read_bytes()
    assert normalised(tmp_path, other).read_bytes() == first


def test_the_normal_form_of_a_normal_form_is_itself(tmp_path: Path) -> None:
    first = normalised(tmp_path, Builder(), local="npu")
    (tmp_path / "again").mkdir()
    second = normalise_wheel(first, tmp_path / "again", local_version="npu", epoch=1_700_000_000)
    assert second.name == first.name
    assert second.read_bytes() == first.read_bytes()


def test_members_end_with_the_dist_info_and_record(tmp_path: Path) -> None:
    with ZipFile(normalised(tmp_path, Builder(backwards=True, folders=True))) as archive:
        entries = archive.infolist()
    assert [entry.filename for entry in entries] == [
        "my_pkg-1.0.data/scripts/run",
        "my_pkg/__init__.py",
        "my_pkg/tool",
        f"{INFO}/METADATA",
        f"{INFO}/WHEEL",
        f"{INFO}/entry_points.txt",
        f"{INFO}/RECORD",
    ]
    assert {entry.date_time for entry in entries} == {(2023, 11, 14, 22, 13, 20)}
    modes = {entry.filename: entry.external_attr >> 16 for entry in entries}
    assert modes["my_pkg/tool"] == stat.S_IFREG | 0o755
    assert modes["my_pkg/__init__.py"] == stat.S_IFREG | 0o644


def test_record_is_true(tmp_path: Path) -> None:
    with ZipFile(normalised(tmp_path, Builder())) as archive:
        rows = list(csv.reader(archive.read(f"{INFO}/RECORD").decode().splitlines()))
        assert [row[0] for row in rows] == archive.namelist()
        for name, digest, size in rows[:-1]:
            content = archive.read(name)
            encoded = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={encoded}", str(len(content)))
    assert rows[-1] == [f"{INFO}/RECORD", "", ""]


def test_a_local_version_reaches_every_place(tmp_path: Path) -> None:
    path = normalised(tmp_path, Builder(), local="NPU-1")
    assert path.name == "my_pkg-1.0+npu.1-py2.py3-none-any.whl"
    assert str(parse_wheel_filename(path.name)[1]) == "1.0+npu.1"
    with WheelFile.open(path) as wheel:
        assert wheel.dist_info == "my_pkg-1.0+npu.1.dist-info"
        assert "my_pkg-1.0+npu.1.data/scripts/run" in wheel
        text = wheel.read_text(f"{wheel.dist_info}/METADATA")
    assert text == METADATA.replace("Version: 1.0\nSummary", "Version: 1.0+npu.1\nSummary")


def test_an_empty_local_version_takes_it_away(tmp_path: Path) -> None:
    first = normalised(tmp_path, Builder(), local="npu")
    plain = normalise_wheel(first, tmp_path / "out", local_version="", epoch=1_700_000_000)
    assert plain.name == "my_pkg-1.0-py2.py3-none-any.whl"
    assert plain.read_bytes() == normalised(tmp_path, Builder(), local="").read_bytes()


def test_a_build_number_and_every_tag_stay(tmp_path: Path) -> None:
    path = normalised(tmp_path, Builder(name="my_pkg-1.0-7-py2.py3-none-any.whl"))
    assert path.name == "my_pkg-1.0-7-py2.py3-none-any.whl"
    with WheelFile.open(path) as wheel:
        assert wheel.wheel_headers["tag"] == ("py2-none-any", "py3-none-any")


def test_a_wheel_called_otherwise_than_its_dist_info_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UnfitWheelError, match=r"is no wheel to pypa's `wheel`: Missing other-1.0.dist-info/RECORD"
    ):
        normalised(tmp_path, Builder(name="other-1.0-py3-none-any.whl"))
    assert not list((tmp_path / "out").iterdir())


def test_a_time_before_zip_began_becomes_its_first(tmp_path: Path) -> None:
    path = normalise_wheel(Builder().write(tmp_path / "in"), tmp_path, local_version=None, epoch=0)
    with ZipFile(path) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_folder_that_only_looks_like_data_keeps_its_name(tmp_path: Path) -> None:
    files = {**FILES, "weather.data/table.csv": "1\n", "other-1.0.data": "2\n"}
    with WheelFile.open(normalised(tmp_path, Builder(files=files), local="npu")) as wheel:
        assert "weather.data/table.csv" in wheel
        assert "other-1.0.data" in wheel


@pytest.mark.parametrize("name", ["../out.py", "/etc/passwd", "a\\b.py", "my_pkg/../../x"])
def test_a_member_outside_the_wheel_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnfitWheelError, match=r"holds links, or repeated or unsafe names"):
        normalised(tmp_path, Builder(files={**FILES, name: "x"}))
    assert not list((tmp_path / "out").iterdir())


def test_a_link_is_refused(tmp_path: Path) -> None:
    path = Builder().write(tmp_path / "in")
    with ZipFile(path, "a") as archive:
        link = ZipInfo("my_pkg/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "__init__.py")
    with pytest.raises(UnfitWheelError, match=r"my_pkg/link"):
        normalise_wheel(path, tmp_path, local_version=None, epoch=0)


@pytest.mark.parametrize("name", ["METADATA", "WHEEL"])
def test_a_description_that_is_not_utf_8_is_refused(tmp_path: Path, name: str) -> None:
    whole = Builder().write(tmp_path / "in")
    with ZipFile(whole) as archive:
        members = {one: archive.read(one) for one in archive.namelist()}
    with ZipFile(whole, "w") as archive:
        for one, data in members.items():
            archive.writestr(one, b"Author: Andr\xe9\n" + data if one == f"{INFO}/{name}" else data)
    (tmp_path / "out").mkdir()
    with pytest.raises(UnfitWheelError, match=f"its {name} is not UTF-8"):
        normalise_wheel(whole, tmp_path / "out", local_version="x", epoch=0)
    assert list((tmp_path / "out").iterdir()) == []


def test_an_invalid_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnfitWheelError, match=r"is no local version of PEP 440"):
        normalised(tmp_path, Builder(), local="no spaces")


def test_a_damaged_member_leaves_nothing_behind(tmp_path: Path) -> None:
    path = Builder(method=ZIP_STORED).write(tmp_path / "in")
    path.write_bytes(path.read_bytes().replace(b"hello", b"hullo"))
    (tmp_path / "out").mkdir()
    with pytest.raises(BadWheelError):
        normalise_wheel(path, tmp_path / "out", local_version=None, epoch=0)
    assert not list((tmp_path / "out").iterdir())


def test_memory_does_not_grow_with_the_wheel(tmp_path: Path) -> None:
    big = os.urandom(1 << 20).hex() * 8
    path = Builder(files={**FILES, "my_pkg/big.bin": big}, level=1).write(tmp_path / "in")
    (tmp_path / "out").mkdir()
    tracemalloc.start()
    normalise_wheel(path, tmp_path / "out", local_version=None, epoch=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20 < len(big)
