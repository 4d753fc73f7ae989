from __future__ import annotations

import errno
import os
import re
import struct
from pathlib import Path

import pytest
from making_wheels import WheelDraft
from packaging.tags import Tag

from ascend_wheelhouse.base.archives import ZipArchive
from ascend_wheelhouse.wheels.wheel import BadWheelError, WheelFile


def test_a_wheel_is_read_without_unpacking_it(tmp_path: Path) -> None:
    draft = WheelDraft(name="Some.Thing", version="1.2", files={"some_thing/__init__.py": "x = 1\n"})
    draft.metadata = ["Requires-Dist: numpy>=1", "Requires-Python: >=3.9"]
    draft.file_name, draft.dist_info = "some_thing-1.2-py3-none-any.whl", "some_thing-1.2.dist-info"
    with WheelFile.open(draft.write(tmp_path)) as wheel:
        assert wheel.name == "some-thing"
        assert str(wheel.version) == "1.2"
        assert wheel.tags == {Tag("py3", "none", "any")}
        assert wheel.dist_info == "some_thing-1.2.dist-info"
        assert wheel.metadata.requires_dist is not None
        assert [str(item) for item in wheel.metadata.requires_dist] == ["numpy>=1"]
        assert wheel.wheel_headers["root-is-purelib"] == ("true",)
        assert wheel.read("some_thing/__init__.py") == b"x = 1\n"
    assert [path.name for path in tmp_path.iterdir()] == ["some_thing-1.2-py3-none-any.whl"]


def test_the_rows_of_record_carry_hash_and_size(tmp_path: Path) -> None:
    path = WheelDraft(name="a", files={"a.py": ""}).write(tmp_path)
    with WheelFile.open(path) as wheel:
        row, last = wheel.record[0], wheel.record[-1]
    assert (row.path, row.algorithm, row.size) == ("a.py", "sha256", 0)
    assert row.digest == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert (last.path, last.digest, last.size) == ("a-1.0.dist-info/RECORD", "", None)


def test_a_file_that_is_no_archive_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a-1.0-py3-none-any.whl"
    path.write_text("<html>403 Forbidden</html>")
    with pytest.raises(BadWheelError, match=r"a-1\.0-py3-none-any\.whl: cannot be opened as a zip archive"):
        WheelFile.open(path)


@pytest.mark.parametrize(
    ("draft", "fault"),
    [
        (WheelDraft(name="a", file_name="a-one-two.whl"), "Invalid wheel filename"),
        (WheelDraft(name="a", record_text="a.py,sha256=zz,ten\n"), "RECORD cannot be read"),
        (WheelDraft(name="a", files={"b-1.dist-info/METADATA": ""}), "has 2 .dist-info folders"),
    ],
)
def test_a_fault_of_form_is_told_in_one_error(tmp_path: Path, draft: WheelDraft, fault: str) -> None:
    with WheelFile.open(draft.write(tmp_path)) as wheel, pytest.raises(BadWheelError, match=re.escape(fault)):
        _ = (wheel.parsed_filename, wheel.record, wheel.dist_info)


def test_damaged_data_are_refused_when_they_are_read(tmp_path: Path) -> None:
    path = WheelDraft(name="a", files={"a.py": "value = 1\n" * 50}).write(tmp_path)
    data = bytearray(path.read_bytes())
    data[40:46] = b"\xff" * 6
    path.write_bytes(data)
    with WheelFile.open(path) as wheel, pytest.raises(BadWheelError, match=r"member 'a\.py' cannot be read"):
        wheel.read("a.py")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ENOENT])
def test_a_file_that_the_system_does_not_give_is_not_called_a_bad_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """It was told as one that was cut short, with the advice to fetch it again."""
    path = WheelDraft(name="a", files={"a.py": "x"}).write(tmp_path)

    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    with WheelFile.open(path) as wheel:
        monkeypatch.setattr(ZipArchive, "pieces", refused)
        with pytest.raises(OSError, match=re.escape(os.strerror(number))):
            wheel.read("a.py")
    monkeypatch.setattr(ZipArchive, "__init__", refused)
    with pytest.raises(OSError, match=re.escape(os.strerror(number))):
        WheelFile.open(path)


def test_a_member_that_lies_before_the_files_start_is_a_fault_of_the_archive(tmp_path: Path) -> None:
    """The system calls such an offset an invalid argument, and that is no trouble of the disk."""
    path = WheelDraft(name="a", files={"a.py": "x"}).write(tmp_path)
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\5\6") + 16
    struct.pack_into("<L", data, at, struct.unpack_from("<L", data, at)[0] + 30)
    path.write_bytes(data)
    with (
        WheelFile.open(path) as wheel,
        pytest.raises(BadWheelError, match=r"cannot be read: .*Invalid argument"),
    ):
        wheel.read("a.py")


def test_a_member_over_the_limit_is_not_read(tmp_path: Path) -> None:
    path = WheelDraft(name="a", files={"a.py": "x" * 100}).write(tmp_path)
    with (
        WheelFile.open(path) as wheel,
        pytest.raises(BadWheelError, match="has more than 99 bytes"),
    ):
        wheel.read("a.py", limit=99)


def test_fields_of_more_names_than_any_tool_writes_are_refused_at_once(tmp_path: Path) -> None:
    many = [f"X-{number}: y" for number in range(2000)]
    wheel_text = "\n".join(["Wheel-Version: 1.0", *many])
    with WheelFile.open(WheelDraft(name="a", metadata=many, wheel_text=wheel_text).write(tmp_path)) as wheel:
        with pytest.raises(BadWheelError, match="METADATA has fields of more than 500 names"):
            _ = wheel.raw_metadata
        with pytest.raises(BadWheelError, match="WHEEL has fields of more than 500 names"):
            _ = wheel.wheel_headers


def test_any_number_of_requirements_is_read(tmp_path: Path) -> None:
    many = [f"Requires-Dist: b{number}" for number in range(2000)]
    with WheelFile.open(WheelDraft(name="a", metadata=many).write(tmp_path)) as wheel:
        assert len(wheel.raw_metadata["requires_dist"]) == 2000
