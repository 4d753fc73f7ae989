import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ascend_wheelhouse.base.places import CacheFolderError, made_cache
from ascend_wheelhouse.base.process import run
from ascend_wheelhouse.cells.target import MACHINES, Machine, Target
from ascend_wheelhouse.resolve.annotated import read_pins
from ascend_wheelhouse.resolve.errors import (
    BadRequirementError,
    NoCandidateError,
    ResolverCrashedError,
    UnreadableReleaseError,
    explain,
    readable,
)
from ascend_wheelhouse.resolve.links import read_files, uploaded, version_of
from ascend_wheelhouse.resolve.pip_tools import PipToolsResolver, reporting
from ascend_wheelhouse.resolve.request import Resolver, ResolveRequest
from ascend_wheelhouse.resolve.tool import question
from ascend_wheelhouse.resolve.uv import UvResolver

ARM = Target(machine="aarch64")
_FACTS = """
import json
from pip._vendor.packaging import markers, tags
environment = {key: str(value) for key, value in markers.default_environment().items()}
print(json.dumps([environment, list(map(str, tags.sys_tags()))]))
"""


@pytest.mark.parametrize("machine", MACHINES)
def test_the_shim_makes_pip_see_the_markers_and_tags_of_the_target(machine: Machine) -> None:
    target = Target(machine=machine)
    printed = run([sys.executable, "-c", _FACTS], env=reporting(target)).stdout
    environment, tags = json.loads(printed)
    assert environment == {key: value for key, value in target.markers.items() if key != "extra"}
    assert set(tags) == {str(tag) for tag in target.tags}


def test_pins_that_only_an_excluded_name_needs_are_dropped() -> None:
    text = "a==1\n    # via -r requirements.in\nb==2\n    # via\n    #   a\n    #   triton\n"
    text += "leaf==1\n    # via only\nonly==3\n    # via triton\ntriton==4\n    # via a\n"
    request = ResolveRequest(requirements=("A",), excludes=("triton",), target=ARM)
    assert [(pin.name, pin.via) for pin in read_pins(text, request)] == [("a", ()), ("b", ("a",))]


def test_a_circle_of_requirements_is_kept() -> None:
    text = "a==1\n    # via\n    #   -r requirements.in\n    #   b\nb==2\n    # via a\n"
    request = ResolveRequest(requirements=("a",), target=ARM)
    assert [str(pin) for pin in read_pins(text, request)] == ["a==1", "b==2"]


def test_a_line_that_is_no_pin_is_refused() -> None:
    with pytest.raises(ResolverCrashedError, match=r"^The resolver wrote a line that is no pin: '\?'"):
        read_pins("?", ResolveRequest(requirements=(), target=ARM))


def test_all_bad_requirements_are_told_at_once() -> None:
    request = ResolveRequest(requirements=("torch=2.8", "ok"), constraints=("also bad",), target=ARM)
    with (
        pytest.raises(BadRequirementError, match=r"^2 requirement\(s\) cannot be read") as caught,
        question(request),
    ):
        pass
    assert "'torch=2.8'" in caught.value.why
    assert "'also bad'" in caught.value.why


def test_html_and_json_pages_read_alike() -> None:
    html = (
        '<base href="https://files.invalid/x/"><a href="a%2Bb-1.0%2Bcpu-py3-none-any.whl#sha256=00ff" '
        'data-requires-python="&gt;=3.8" data-yanked="" data-upload-time="2025-01-02T03:04:05Z">a</a>'
    )
    file = {
        "filename": "a+b-1.0+cpu-py3-none-any.whl",
        "url": "https://files.invalid/x/a%2Bb-1.0%2Bcpu-py3-none-any.whl",
        "hashes": {"sha256": "00ff"},
        "requires-python": ">=3.8",
        "upload-time": "2025-01-02T03:04:05Z",
        "yanked": True,
    }
    found = read_files(html.encode(), "text/html; charset=utf-8", "https://index.invalid/simple/a/")
    assert found == [file]
    relative = {**file, "url": "../x/a%2Bb-1.0%2Bcpu-py3-none-any.whl"}
    page = json.dumps({"files": [relative]}).encode()
    assert read_files(page, "application/vnd.pypi.simple.v1+json", "https://files.invalid/y/") == [file]
    assert uploaded(file) == datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "anchor",
    [
        "<a href=/x/a-1.0-py3-none-any.whl#sha256=00ff data-yanked=old data-requires-python='>=3.8'>a</a>",
        "<a href='/x/a-1.0-py3-none-any.whl#egg=a&amp;sha256=00ff' data-yanked=old data-requires-python='>=3.8'>a</a>",
        "<a href='/x/a-1.0-py3-none-any.whl#sha256=00ff&egg=a' data-yanked='old' data-requires-python='>=3.8'>a</a>",
    ],
)
def test_an_anchor_is_read_however_its_page_writes_it(anchor: str) -> None:
    """Attributes need no quotation marks, and a link may say more than its digest."""
    (found,) = read_files(anchor.encode(), "text/html", "https://index.invalid/simple/a/")
    assert found["url"] == "https://index.invalid/x/a-1.0-py3-none-any.whl"
    assert (found["hashes"], found["yanked"]) == ({"sha256": "00ff"}, "old")
    assert found["requires-python"] == ">=3.8"


@pytest.mark.parametrize(
    ("filename", "version"),
    [
        ("a-1.0-py3-none-any.whl", "1.0"),
        ("a-1.0.tar.gz", "1.0"),
        ("a-1.0.exe", None),
        ("a.whl", None),
        ("a-x-py3-none-any.whl", None),
    ],
)
def test_versions_come_from_file_names(filename: str, version: str | None) -> None:
    assert version_of({"filename": filename}) == version


def test_addresses_lose_their_hosts_and_tracebacks_go() -> None:
    output = (
        "Looking in indexes: https://user:secret@mirror.invalid/simple\n"
        "ERROR: No matching distribution found for x at https://user:secret@mirror.invalid/simple/x.whl\n"
        'Traceback (most recent call last):\n  File "x", line 1\nException: y\n'
    )
    assert readable(output) == "ERROR: No matching distribution found for x at x.whl"


def test_without_an_error_line_the_last_exception_is_shown() -> None:
    output = 'Traceback (most recent call last):\n  File "x", line 1\n    y()\nOSError: y is full\nHint: z\n'
    assert readable(output) == "OSError: y is full\nHint: z"


@pytest.mark.parametrize(
    ("printed", "names"),
    [
        ("ERROR: Could not find a version that satisfies the requirement Num_Py<2 (from torch)", ["num-py"]),
        ("error: x\n  cause: Because there are no versions of numpy and all versions of torch", ["numpy"]),
        ("error: Because numpy==2.0 has no wheels with a matching platform tag (e.g., `a`)", ["numpy"]),
        ("error: Because numpy>=1,<3 has no usable wheels and only numpy==2.0 is", ["numpy"]),
        ("error: Because numpy==2.0 has only unsupported wheel variants and only", ["numpy"]),
        ("error: Because there is no version of a==9 and b was not found in the package registry", ["a"]),
        ("error: Because b was not found in the package registry and you require b", ["b"]),
    ],
)
def test_what_has_nothing_for_the_target_is_known_by_name(printed: str, names: list[str]) -> None:
    error = explain("uv", printed, ResolveRequest(requirements=(), target=ARM))
    assert isinstance(error, NoCandidateError)
    assert error.names == names


@pytest.mark.parametrize("fault", ["has invalid metadata", "has an invalid package format"])
def test_a_release_that_cannot_be_read_is_no_contradiction(fault: str) -> None:
    printed = f"error: Because numpy==2.0 {fault} and you require torch==2.8.0, we can conclude"
    error = explain("uv", printed, ResolveRequest(requirements=(), target=ARM))
    assert isinstance(error, UnreadableReleaseError)
    assert "--resolver" in error.next_step


@pytest.mark.parametrize("resolver", [UvResolver(), PipToolsResolver()], ids=["uv", "pip-tools"])
def test_a_cache_folder_that_cannot_be_made_is_told_with_what_moves_it(
    resolver: Resolver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("no folder")
    for name in ("XDG_CACHE_HOME", "UV_CACHE_DIR", "UV_NO_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with pytest.raises(CacheFolderError, match="cannot be made: Not a directory") as told:
        resolver.resolve(ResolveRequest(requirements=("six",), target=ARM))
    assert "export XDG_CACHE_HOME=/FOLDER" in told.value.next_step


def test_a_cache_folder_of_an_earlier_run_that_cannot_be_written_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was told as a mistyped path of one file in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert made_cache("pip-tools").is_dir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(CacheFolderError, match="cannot be written: Permission denied") as told:
        made_cache("pip-tools")
    assert "export XDG_CACHE_HOME=/FOLDER" in told.value.next_step
