"""What is told of a project that has nothing for a cell, and of an index of another version."""

from __future__ import annotations

import json
from typing import Any

import pytest
from index_server import Index, status, wheel_bytes

from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder
from ascend_wheelhouse.origins.offered import told_of
from ascend_wheelhouse.origins.page import IndexTooNewError

pytest_plugins = ["fetch_fixtures"]

ARM = Target(machine="aarch64")
_JSON = "application/vnd.pypi.simple.v1+json"


def _page(index: Index, **said: Any) -> None:  # noqa: ANN401 - whatever a page may say
    document = {"meta": {"api-version": "1.4"}, "name": "pkg", "files": [], **said}
    index.raw["/simple/pkg/"] = (_JSON, json.dumps(document).encode())


@pytest.mark.parametrize(
    ("filename", "told"),
    [
        ("pkg-2.0.tar.gz", "The index has pkg as source archives alone, 2.0 the newest."),
        (
            "pkg-2.0-cp311-cp311-manylinux_2_39_aarch64.whl",
            (
                "The newest pkg with wheels, 2.0, has them for cp311-cp311-manylinux_2_39_aarch64."
                " `--glibc 2.39` takes it, where all nodes have that."
            ),
        ),
        (
            "pkg-2.0-cp312-cp312-manylinux_2_39_aarch64.whl",
            "The newest pkg with wheels, 2.0, has them for cp312-cp312-manylinux_2_39_aarch64.",
        ),
        (
            "pkg-2.0-cp311-cp311-musllinux_1_2_aarch64.whl",
            "The newest pkg with wheels, 2.0, has them for cp311-cp311-musllinux_1_2_aarch64.",
        ),
        (
            "pkg-2.0-cp313-cp313t-manylinux_2_28_aarch64.whl",
            "The newest pkg with wheels, 2.0, has them for cp313-cp313t-manylinux_2_28_aarch64.",
        ),
        (
            "pkg-2.0-py3-none-any-cu128.whl",
            "The index has no file of pkg whose name can be read: pkg-2.0-py3-none-any-cu128.whl.",
        ),
        ("pkg-2.0-py3-none-any.whl", "The index has pkg 2.0, whose tags fit."),
    ],
    ids=["sdist", "newer glibc", "newer Python", "musl", "free-threaded", "variant", "fits"],
)
@pytest.mark.parametrize("language", ["html", "json"])
def test_the_newest_release_says_for_what_it_is(
    index: Index, http: Http, filename: str, told: str, language: str
) -> None:
    index.speaks_json = language == "json"
    index.offer(filename, wheel_bytes("pkg", "2.0"))
    assert told_of(Finder(http), "pkg", ARM) == told


def test_a_python_that_a_release_is_not_for_is_named(index: Index, http: Http) -> None:
    index.offer("pkg-2.0-py3-none-any.whl", wheel_bytes("pkg", "2.0"), requires_python=">=3.12")
    assert told_of(Finder(http), "pkg", ARM) == "The index has pkg 2.0, whose tags fit, for Python >=3.12."


def test_an_old_release_that_fits_does_not_hide_what_the_newest_lacks(index: Index, http: Http) -> None:
    index.offer("pkg-1.0-py3-none-any.whl", wheel_bytes("pkg", "1.0"))
    index.offer("pkg-2.0-cp312-cp312-win_amd64.whl", wheel_bytes("pkg", "2.0"))
    assert "2.0, has them for cp312-cp312-win_amd64." in told_of(Finder(http), "pkg", ARM)


def test_nothing_at_all_is_told(index: Index, http: Http) -> None:  # noqa: ARG001 - an index without the project
    assert told_of(Finder(http), "pkg", ARM) == "No index has a file of pkg."


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        (
            {"status": "quarantined", "reason": "malware"},
            "No index has a file of pkg: it is quarantined: malware.",
        ),
        ({"status": "quarantined"}, "No index has a file of pkg: it is quarantined."),
        ({"status": "active"}, "No index has a file of pkg."),
        ({"status": "quarantined", "reason": "\x1b[31m"}, "No index has a file of pkg."),
        ({"status": ["quarantined"]}, "No index has a file of pkg."),
        ("quarantined", "No index has a file of pkg."),
        (None, "No index has a file of pkg."),
    ],
)
def test_the_status_of_a_project_is_told(index: Index, http: Http, stated: object, told: str) -> None:
    _page(index, **{"project-status": stated})
    assert told_of(Finder(http), "pkg", ARM) == told


def test_an_index_that_does_not_answer_adds_nothing(index: Index, http: Http) -> None:
    index.behave("pkg", *[status(500)] * 9)
    assert told_of(Finder(http), "pkg", ARM) == ""


@pytest.mark.parametrize("version", ["1.0", "1.4", "1.99", None])
def test_minor_versions_of_the_index_api_are_passed_over(
    index: Index, http: Http, version: str | None
) -> None:
    _page(index, meta={"api-version": version, "tracks": ["x"]})
    assert Finder(http).published("pkg", lambda _name: True) == []


@pytest.mark.parametrize("version", ["2.0", "0.9", "nonsense"])
def test_another_major_version_of_the_index_api_is_refused(index: Index, http: Http, version: str) -> None:
    _page(index, meta={"api-version": version})
    with pytest.raises(IndexTooNewError, match=f"speaks version '{version}'"):
        Finder(http).published("pkg", lambda _name: True)
