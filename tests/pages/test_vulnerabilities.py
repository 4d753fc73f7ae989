from __future__ import annotations

import json
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ascend_wheelhouse.pages.view import Part
from ascend_wheelhouse.pages.vulnerabilities import BadDatabaseError, Matches, compare


def wheel(version: str, name: str = "alpha") -> Part:
    return Part(
        name=name,
        version=version,
        component="",
        kind="wheel",
        origin="",
        size=1,
        sha256="0" * 64,
        file=f"{name}.whl",
    )


def record(
    *events: dict[str, str],
    name: str = "alpha",
    ecosystem: str = "PyPI",
    extra: dict[str, Any] | None = None,
    **more: object,
) -> dict[str, Any]:
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}] if events else []
    affected = {"package": {"ecosystem": ecosystem, "name": name}, "ranges": ranges}
    return {"id": "PYSEC-1", "affected": [affected | (extra or {})], **more}


def matched(tmp_path: Path, document: object, version: str = "1.5") -> Matches:
    path = tmp_path / "database.json"
    path.write_text(json.dumps(document))
    return compare(path, [wheel(version)])


@pytest.mark.parametrize(
    ("events", "inside", "outside"),
    [
        ([{"introduced": "0"}], ["0.0.1a1", "9"], []),
        ([{"introduced": "1.0"}], ["1.0", "2"], ["0.9", "1.0rc1"]),
        ([{"introduced": "0"}, {"fixed": "1.5"}], ["1.4.9", "1.5rc1"], ["1.5", "1.5.post1", "2"]),
        ([{"introduced": "0"}, {"last_affected": "1.5"}], ["1.5", "1.0"], ["1.5.1", "1.5.post1"]),
        (
            [{"fixed": "1.5"}, {"introduced": "0"}, {"introduced": "2"}, {"fixed": "2.1"}],
            ["1", "2.0"],
            ["1.7", "2.1"],
        ),
        ([{"introduced": "0"}, {"limit": "2"}], ["1.9"], ["2", "3"]),
        ([{"introduced": "0"}, {"limit": "*"}], ["1.9", "99"], []),
    ],
)
def test_ranges_are_read_as_the_schema_evaluates_them(
    events: list[dict[str, str]], inside: list[str], outside: list[str], tmp_path: Path
) -> None:
    for version in inside:
        assert len(matched(tmp_path, record(*events), version).found) == 1, version
    for version in outside:
        assert matched(tmp_path, record(*events), version).found == (), version


def test_listed_versions_match_however_they_are_spelt_and_local_ones_as_their_release(tmp_path: Path) -> None:
    listed = record(extra={"versions": ["1.5.0", "1.6"]})
    assert matched(tmp_path, listed, "1.5").found
    assert matched(tmp_path, listed, "1.5+cpu").found
    assert not matched(tmp_path, listed, "1.7").found
    assert matched(tmp_path, record({"introduced": "0"}, {"fixed": "1.6"}), "1.5.post2+npu").found


def test_a_match_tells_record_aliases_severity_and_where_it_is_fixed(tmp_path: Path) -> None:
    told: dict[str, Any] = {
        "summary": "Bad\n thing",
        "aliases": ["CVE-1"],
        "database_specific": {"severity": "high"},
    }
    (match,) = matched(
        tmp_path, record({"introduced": "0"}, {"fixed": "1.10"}, {"fixed": "1.9"}, **told)
    ).found
    assert (match.id, match.aliases, match.summary) == ("PYSEC-1", ("CVE-1",), "Bad thing")
    assert (match.severity, match.fixed) == ("HIGH", ("1.9", "1.10"))


@pytest.mark.parametrize(
    "document",
    [
        record({"introduced": "0"}, name="beta"),
        record({"introduced": "0"}, ecosystem="npm"),
        record({"introduced": "0"}, withdrawn="2026-01-01T00:00:00Z"),
        record(extra={"ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}),
        {"id": "X"},
        [],
        {"vulns": []},
    ],
)
def test_what_is_of_another_package_or_ecosystem_withdrawn_or_of_git_alone_matches_nothing(
    document: object, tmp_path: Path
) -> None:
    assert matched(tmp_path, document).found == ()


def test_a_zip_of_records_and_a_list_and_an_answer_of_the_service_say_the_same(tmp_path: Path) -> None:
    one = record({"introduced": "0"}, name="Al.pha".replace(".", ""))
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("PYSEC-1.json", json.dumps(one))
        archive.writestr("README", "no record")
    found = compare(path, [wheel("1")])
    assert (
        found.found == matched(tmp_path, [one], "1").found == matched(tmp_path, {"vulns": [one]}, "1").found
    )
    assert (found.records, found.compared, found.database) == (1, 1, "all.zip")


def test_names_are_compared_as_the_index_normalises_them(tmp_path: Path) -> None:
    path = tmp_path / "database.json"
    path.write_text(json.dumps(record({"introduced": "0"}, name="Torch_NPU")))
    assert compare(path, [wheel("1", "torch-npu")]).found


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"3",
        b'{"id": 3}',
        b"PK\x03\x04",
        b'[{"id": "a", "affected": [{"versions": "1"}]}]',
        b"\xff",
    ],
)
def test_a_file_that_is_no_database_is_refused_and_named(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "database.json"
    path.write_bytes(data)
    with pytest.raises(BadDatabaseError, match=r"database\.json is no export of the OSV database") as refused:
        compare(path, [wheel("1")])
    assert refused.value.exit_code == 2


def test_a_missing_file_an_empty_zip_and_a_bomb_are_refused(tmp_path: Path) -> None:
    empty, bomb = tmp_path / "empty.zip", tmp_path / "bomb.zip"
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("README", "no record")
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", bytes(70 << 20))
    for path, fault in (
        (tmp_path / "none", "no such file"),
        (empty, r"no \.json"),
        (bomb, "decompression bomb"),
    ):
        with pytest.raises(BadDatabaseError, match=fault):
            compare(path, [wheel("1")])


@settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda one: (
            st.lists(one)
            | st.dictionaries(
                st.sampled_from(["id", "affected", "vulns", "package", "versions", "ranges", "events"])
                | st.text(),
                one,
            )
        ),
    )
)
def test_whatever_json_a_file_holds_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, document: object
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(document))
    with suppress(BadDatabaseError):
        compare(path, [wheel("1")])
