"""Records in the shapes of the OSV schema 1.7.4 (docs/schema.md@00d709a of ossf/osv-schema), written for these tests.

Nothing here was exported by OSV: the shapes are the schema's, the contents are made up.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from osv_records import osv_record, osv_zip

from ascend_wheelhouse.vulnerabilities.database import (
    BadVulnerabilitiesError,
    VulnerabilityDatabase,
    read_vulnerabilities,
)

HIGH = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}
FOUR = {"type": "CVSS_V4", "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:H/UI:N/VC:L/VI:L/VA:N/SC:N/SI:N/SA:N"}
TWO = {"type": "CVSS_V2", "score": "AV:L/AC:M/Au:N/C:N/I:P/A:C"}


def _read(folder: Path, *records: dict[str, Any]) -> VulnerabilityDatabase:
    return read_vulnerabilities(osv_zip(folder / "all.zip", records))


def _touched(database: VulnerabilityDatabase, *versions: str) -> list[str]:
    return [one for one in versions if database.known("thing", one)]


def test_epochs_and_post_releases_are_ordered_as_pep_440_has_it(tmp_path: Path) -> None:
    record = osv_record("PYSEC-1", "thing", {"introduced": "1!1.0"}, {"last_affected": "1!2.8.0"})
    versions = ("2.8.0", "1!1.0", "1!2.8.0", "1!2.8.0.post2", "2!0.1")
    assert _touched(_read(tmp_path, record), *versions) == ["1!1.0", "1!2.8.0"]


def test_a_local_version_that_a_record_names_itself_counts_as_written(tmp_path: Path) -> None:
    listed = osv_record("PYSEC-1", "thing", versions=["2.13.0+cpu"])
    assert _touched(_read(tmp_path, listed), "2.13.0", "2.13.0+cpu", "2.13.0+npu") == ["2.13.0+cpu"]
    patched = osv_record("PYSEC-2", "thing", {"introduced": "0"}, {"fixed": "2.13.0+fix1"})
    assert _touched(_read(tmp_path, patched), "2.13.0", "2.13.0+fix1", "2.13.1") == ["2.13.0"]


def test_the_severity_of_one_project_stands_for_it_where_the_record_has_none_for_all(tmp_path: Path) -> None:
    record = osv_record("PYSEC-1", "thing", {"introduced": "0"})
    other = {"package": {"ecosystem": "PyPI", "name": "other"}, "versions": ["1.0"], "severity": [FOUR]}
    record["affected"] = [{**record["affected"][0], "severity": [HIGH]}, other]
    database = _read(tmp_path, record)
    assert database.known("thing", "1.0")[0].severity == "high"
    assert database.known("other", "1.0")[0].severity == FOUR["score"]


def test_a_vector_that_has_a_word_comes_before_a_newer_one_that_has_none(tmp_path: Path) -> None:
    for scores, told in (
        ([HIGH, FOUR], "high"),
        ([FOUR, HIGH], "high"),
        ([FOUR, TWO], FOUR["score"]),
        ([TWO], TWO["score"]),
    ):
        record = osv_record("PYSEC-1", "thing", {"introduced": "0"}, severity=scores)
        assert _read(tmp_path, record).known("thing", "1.0")[0].severity == told


def test_the_word_of_any_record_of_a_vulnerability_comes_before_the_vector_of_another(tmp_path: Path) -> None:
    ghsa = osv_record("GHSA-1", "thing", {"introduced": "0"}, severity=[FOUR])
    pysec = osv_record("PYSEC-1", "thing", {"introduced": "0"}, aliases=["GHSA-1"], severity=[HIGH])
    (found,) = _read(tmp_path, ghsa, pysec).known("thing", "1.0")
    assert (found.id, found.severity) == ("GHSA-1", "high")


def test_a_withdrawn_record_takes_nothing_from_the_others_of_its_vulnerability(tmp_path: Path) -> None:
    kept = osv_record("PYSEC-1", "thing", {"introduced": "0"}, aliases=["CVE-2026-1"])
    gone = osv_record("GHSA-1", "thing", {"introduced": "0"}, aliases=["CVE-2026-1"])
    database = _read(tmp_path, kept, {**gone, "withdrawn": "2026-11-02T00:00:00Z"})
    assert [one.id for one in database.known("thing", "1.0")] == ["PYSEC-1"]
    assert (database.records, database.withdrawn) == (2, 1)


def test_keys_of_a_later_schema_and_empty_ones_are_passed_over(tmp_path: Path) -> None:
    """A client of one minor version reads records of later ones, and `affected` and others may be null."""
    record = osv_record("MAL-2026-1", "Some_Thing", versions=["1.0"], aliases=None, severity=None)
    record |= {"upstream": ["X-1"], "related": ["Y-1"], "credits": [{"name": "N"}], "new": {"key": 1}}
    record["affected"][0] |= {"ecosystem_specific": {"a": 1}, "database_specific": {"b": []}}
    empty = osv_record("CVE-2026-9", "thing") | {"affected": None}
    database = _read(tmp_path, record, empty)
    assert database.known("some.thing", "1.0")[0].malicious
    assert database.skipped == ()


def test_the_age_of_an_export_is_the_last_day_of_its_records_and_no_text_that_is_none(tmp_path: Path) -> None:
    old = osv_record("PYSEC-1", "thing", {"introduced": "0"}, modified="2024-01-02T03:04:05.678901Z")
    odd = osv_record("PYSEC-2", "thing", {"introduced": "0"}, modified="yesterday")
    assert _read(tmp_path, old, odd).newest == "2024-01-02T03:04:05.678901Z"


def test_one_entry_of_a_zip_that_is_no_record_is_named_and_the_rest_counts(tmp_path: Path) -> None:
    path = osv_zip(tmp_path / "all.zip", [osv_record("PYSEC-1", "thing", {"introduced": "0"})])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bad.json", "<html>")
        archive.writestr("bomb.json", b" " * (65 << 20))
        archive.writestr("torn.json", b"this text is torn")
        archive.writestr("ecosystems.txt", "PyPI")
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("torn.json").header_offset
    path.write_bytes(whole[: at + 42] + bytes([whole[at + 42] ^ 0xFF]) + whole[at + 43 :])
    database = read_vulnerabilities(path)
    assert _touched(database, "1.0") == ["1.0"]
    assert [one.name for one in database.skipped] == ["bomb.json", "bad.json", "torn.json"]
    one = read_vulnerabilities(_with(tmp_path / "one.zip", "bad.json", "<html>"))
    assert one.warning().startswith(
        "one.zip: 1 record is left out, in whole or in part: bad.json: not sound JSON"
    )


def _with(path: Path, name: str, text: str) -> Path:
    osv_zip(path, [osv_record("PYSEC-1", "thing", {"introduced": "0"})])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, text)
    return path


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"dependencies": [{"name": "thing", "version": "1.0", "vulns": []}], "fixes": []}, "pip-audit"),
        ({"info": {"name": "thing"}, "last_serial": 1, "urls": [], "vulnerabilities": []}, "PyPI's own JSON"),
        ({"results": [{"vulns": [{"id": "GHSA-1", "modified": "2026-01-01T00:00:00Z"}]}]}, "querybatch"),
    ],
)
def test_another_form_is_refused_by_its_name(tmp_path: Path, document: dict[str, Any], told: str) -> None:
    path = tmp_path / "some.json"
    path.write_text(json.dumps(document))
    with pytest.raises(BadVulnerabilitiesError) as caught:
        read_vulnerabilities(path)
    assert told in caught.value.why
    assert "all.zip" in caught.value.next_step


def test_a_page_of_an_answer_is_read_and_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "page.json"
    page = {"vulns": [osv_record("PYSEC-1", "thing", {"introduced": "0"})], "next_page_token": "abc"}
    path.write_text(json.dumps(page))
    database = read_vulnerabilities(path)
    assert _touched(database, "1.0") == ["1.0"]
    assert "page.json: it is one page of an answer, and others follow it" in database.warning()
