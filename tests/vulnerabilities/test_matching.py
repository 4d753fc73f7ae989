"""Which versions a record of OSV's format touches, by the schema's own evaluation."""

from __future__ import annotations

from typing import Any

import pytest
from osv_records import osv_record

from ascend_wheelhouse.vulnerabilities.matching import known_of
from ascend_wheelhouse.vulnerabilities.record import record_of


def _touched(record: dict[str, Any], *versions: str) -> list[str]:
    return [one for one in versions if known_of([record_of(record)], "thing", one)]


@pytest.mark.parametrize(
    ("events", "touched"),
    [
        ([{"introduced": "0"}, {"fixed": "2.0"}], ["0.dev0", "1.0", "1.9", "2.0rc1"]),
        ([{"introduced": "1.0"}, {"last_affected": "1.9"}], ["1.0", "1.9"]),
        ([{"introduced": "1.9"}], ["1.9", "2.0rc1", "2.0", "2.10"]),
        ([{"introduced": "0"}], ["0.dev0", "1.0", "1.9", "2.0rc1", "2.0", "2.10"]),
        (
            [{"fixed": "1.0"}, {"introduced": "0"}, {"introduced": "2.0"}, {"fixed": "2.10"}],
            ["0.dev0", "2.0"],
        ),
        ([{"introduced": "1.0"}, {"limit": "1.9"}], ["1.0"]),
        ([{"introduced": "2.0"}, {"limit": "*"}], ["2.0", "2.10"]),
        ([{"introduced": "0", "fixed": "1.0"}], ["0.dev0"]),
    ],
)
def test_a_range_holds_the_versions_that_its_events_say(
    events: list[dict[str, str]], touched: list[str]
) -> None:
    record = osv_record("PYSEC-1", "thing", *events)
    assert _touched(record, "0.dev0", "1.0", "1.9", "2.0rc1", "2.0", "2.10") == touched


def test_a_version_of_the_list_is_touched_however_it_is_written() -> None:
    record = osv_record("PYSEC-1", "Thing", versions=["1.0.0", "not a version", "2.0-1"])
    assert _touched(record, "1.0", "1.0.0", "1.1", "2.0.post1") == ["1.0", "1.0.0", "2.0.post1"]


def test_a_local_build_counts_as_what_upstream_published() -> None:
    """`2.13.0+cpu` lies above `2.13.0` by PEP 440, and is made from the same source all the same."""
    record = osv_record("PYSEC-1", "thing", {"introduced": "0"}, {"last_affected": "2.13.0"})
    assert _touched(record, "2.13.0+cpu", "2.13.0", "2.13.1+cpu") == ["2.13.0+cpu", "2.13.0"]


def test_a_record_that_was_withdrawn_tells_nothing() -> None:
    record = osv_record("PYSEC-1", "thing", {"introduced": "0"}, withdrawn="2026-11-02T00:00:00Z")
    assert not _touched(record, "1.0")


def test_a_range_of_commits_and_another_ecosystem_tell_nothing_of_a_version() -> None:
    assert not _touched(osv_record("OSV-1", "thing", {"introduced": "0"}, kind="GIT"), "1.0")
    record = osv_record("GHSA-1", "thing", {"introduced": "0"})
    record["affected"][0]["package"]["ecosystem"] = "npm"
    assert not _touched(record, "1.0")


def test_a_record_that_names_commits_alone_is_told_as_not_read() -> None:
    commits = osv_record("OSV-1", "thing", {"introduced": "0"}, kind="GIT")
    (affected,) = record_of(commits).affected
    assert affected.faults == ("it tells of thing by ranges of GIT alone, and names no version",)
    commits["affected"][0]["versions"] = ["1.0"]
    assert _touched(commits, "1.0")
    assert record_of(commits).affected[0].faults == ()


def test_records_that_share_an_alias_are_one_vulnerability() -> None:
    records = [
        osv_record("PYSEC-7", "thing", {"introduced": "0"}, {"fixed": "3.0"}, aliases=["CVE-2026-7"]),
        osv_record("GHSA-9", "thing", {"introduced": "0"}, {"fixed": "2.0"}, aliases=["CVE-2026-7"]),
        osv_record("PYSEC-8", "thing", {"introduced": "0"}, {"fixed": "1.5"}, aliases=["CVE-2026-8"]),
    ]
    first, second = known_of(map(record_of, records), "thing", "1.0")
    assert (first.id, first.aliases, first.fixed) == ("GHSA-9", ("PYSEC-7", "CVE-2026-7"), ("3.0",))
    assert (second.id, second.fixed) == ("PYSEC-8", ("1.5",))


def test_no_release_is_a_fix_that_another_record_of_the_vulnerability_touches() -> None:
    """Databases differ in where a vulnerability ends: what one calls fixed another may call touched."""
    records = [
        osv_record("GHSA-9", "thing", {"introduced": "0"}, {"fixed": "1.5"}, aliases=["CVE-2026-7"]),
        osv_record("PYSEC-7", "thing", versions=["1.0", "1.5"], aliases=["CVE-2026-7"]),
    ]
    records[1]["affected"].append(
        osv_record("", "thing", {"introduced": "1.2"}, {"fixed": "2.0"})["affected"][0]
    )
    assert known_of(map(record_of, records), "thing", "1.3")[0].fixed == ("2.0",)
    unending = osv_record("PYSEC-7", "thing", {"introduced": "0"}, aliases=["CVE-2026-7"])
    assert known_of(map(record_of, [records[0], unending]), "thing", "1.0")[0].fixed == ("1.5",)


def test_the_fix_is_the_first_above_the_version_in_the_range_that_holds_it() -> None:
    events = [{"introduced": "1.0"}, {"fixed": "1.5"}, {"introduced": "2.0"}, {"fixed": "2.5"}]
    record = record_of(osv_record("PYSEC-1", "thing", *events))
    assert known_of([record], "thing", "2.1")[0].fixed == ("2.5",)
    assert known_of([record], "thing", "1.1")[0].fixed == ("1.5",)


def test_malware_is_told_as_such() -> None:
    (found,) = known_of([record_of(osv_record("MAL-2026-1", "thing", versions=["1.0"]))], "thing", "1.0")
    assert found.malicious


def test_the_word_for_the_severity_comes_before_the_vector() -> None:
    vector = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}]
    plain = osv_record("PYSEC-1", "thing", {"introduced": "0"}, severity=vector)
    word = plain | {"database_specific": {"severity": "HIGH"}}
    assert known_of([record_of(plain)], "thing", "1.0")[0].severity == "CVSS:3.1/AV:N"
    assert known_of([record_of(word)], "thing", "1.0")[0].severity == "high"
