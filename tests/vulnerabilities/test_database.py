"""A database of vulnerabilities as somebody hands it over: good, damaged, hostile, or something else."""

from __future__ import annotations

import errno
import json
import os
import zipfile
from pathlib import Path

import pytest
from osv_records import osv_record, osv_zip

from ascend_wheelhouse.vulnerabilities.database import BadVulnerabilitiesError, read_vulnerabilities

GOOD = osv_record("PYSEC-1", "Big.Thing", {"introduced": "0"}, {"fixed": "2.0"})


def test_a_zip_a_folder_and_one_file_tell_the_same(tmp_path: Path) -> None:
    (tmp_path / "folder/deep").mkdir(parents=True)
    (tmp_path / "folder/deep/one.json").write_text(json.dumps(GOOD))
    (tmp_path / "one.json").write_text(json.dumps(GOOD))
    (tmp_path / "answer.json").write_text(json.dumps({"vulns": [GOOD]}))
    osv_zip(tmp_path / "all.zip", [GOOD])
    for name in ("folder", "one.json", "answer.json", "all.zip"):
        database = read_vulnerabilities(tmp_path / name)
        assert [one.id for one in database.known("big_thing", "1.0")] == ["PYSEC-1"], name
        assert not database.known("big-thing", "2.0")
        assert (database.records, database.withdrawn, database.warning()) == (1, 0, "")
        assert database.newest == "2026-11-20T10:00:00Z"


def test_what_may_not_be_read_is_left_out_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder below was left out without a word, and a file ended the command."""
    (tmp_path / "db/closed").mkdir(parents=True)
    for name in ("one.json", "two.json", "closed/three.json"):
        (tmp_path / "db" / name).write_text(json.dumps(GOOD))
    scan, read = os.scandir, Path.read_bytes

    def scanned(place: str | int) -> object:
        if str(place).endswith("closed"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
        return scan(place)

    def read_bytes(path: Path) -> bytes:
        if path.name == "two.json":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return read(path)

    monkeypatch.setattr(os, "scandir", scanned)
    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    database = read_vulnerabilities(tmp_path / "db")
    assert database.records == 1
    assert {(one.name, one.why) for one in database.skipped} == {
        ("closed", "Permission denied"),
        ("two.json", "Permission denied"),
    }


def test_a_record_of_another_shape_is_left_out_and_counted(tmp_path: Path) -> None:
    bad = [
        {**GOOD, "id": "PYSEC-2", "affected": "everything"},
        {**GOOD, "id": "PYSEC-3", "affected": [{"package": {"ecosystem": "PyPI"}}]},
        {**GOOD, "id": "PYSEC-4", "aliases": [7]},
    ]
    database = read_vulnerabilities(osv_zip(tmp_path / "all.zip", [GOOD, *bad]))
    assert database.records == 1
    assert [one.name for one in database.skipped] == ["PYSEC-2.json", "PYSEC-3.json", "PYSEC-4.json"]
    assert database.warning().startswith(
        "all.zip: 3 records are left out, in whole or in part: PYSEC-2.json: "
    )


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([{"introduced": "banana"}], "the bound 'introduced' is 'banana', and no version of PEP 440"),
        ([{"introduced": "9" * 5000}], f"the bound 'introduced' is '{'9' * 40}', and no version of PEP 440"),
        ([{"fixed": "2.0"}], "a range has no event 'introduced'"),
    ],
)
def test_a_range_that_cannot_be_read_is_counted_and_the_list_of_versions_still_counts(
    tmp_path: Path, events: list[dict[str, str]], told: str
) -> None:
    record = osv_record("PYSEC-1", "thing", *events, versions=["1.0"])
    database = read_vulnerabilities(osv_zip(tmp_path / "all.zip", [record]))
    assert database.known("thing", "1.0")
    assert not database.known("thing", "1.1")
    assert [one.why for one in database.skipped] == [told]


def _refused(path: Path) -> str:
    with pytest.raises(BadVulnerabilitiesError) as caught:
        read_vulnerabilities(path)
    assert caught.value.what == f"{path} is no database of vulnerabilities in the OSV format."
    assert caught.value.next_step
    return caught.value.why


def test_what_is_no_database_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "other.json").write_text('{"name": "x"}')
    (tmp_path / "none.json").write_text("[]")
    (tmp_path / "empty").mkdir()
    osv_zip(tmp_path / "empty.zip", [])
    npm = json.loads(json.dumps(GOOD).replace("PyPI", "npm"))
    osv_zip(tmp_path / "npm.zip", [npm, {**npm, "id": "GHSA-2"}])
    assert "not sound JSON" in _refused(tmp_path / "text")
    assert _refused(tmp_path / "other.json") == "other.json: it lacks 'id'."
    for name in ("none.json", "empty", "empty.zip"):
        assert _refused(tmp_path / name) == "It holds no record."
    assert _refused(tmp_path / "npm.zip") == "None of its 2 records is of the ecosystem PyPI."


def test_a_zip_that_swells_beyond_reason_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.json", b" " * (40 << 20))
        archive.writestr("2.json", b" " * (40 << 20))
    assert _refused(tmp_path / "all.zip") == "it is a decompression bomb."


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    path = osv_zip(tmp_path / "all.zip", [GOOD])
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data)
    assert _refused(path)


def test_one_huge_record_is_left_out_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(GOOD))
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(65 << 20)
    database = read_vulnerabilities(tmp_path)
    assert database.records == 1
    assert [(one.name, one.why) for one in database.skipped] == [("huge.json", "it has more than 64 MiB")]
