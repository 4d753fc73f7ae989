"""Both resolvers, asked again what each committed lock was asked."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.locks.pylock import ParsedPylock, load_pylock
from ascend_wheelhouse.resolve.pip_tools import PipToolsResolver
from ascend_wheelhouse.resolve.request import ExtraIndex, ResolveRequest
from ascend_wheelhouse.resolve.uv import UvResolver

LOCKS = sorted((Path(__file__).parents[2] / "lockfiles").glob("*/pylock.*.toml"))
SUPPLIED = {"vendored", "url", "archive", "sdist", "git"}
"""Origins of wheels that no index has: the resolver read them from a folder that a test has not."""


def request_of(lock: ParsedPylock, platform: str) -> ResolveRequest:
    """Return the question that the lock records, without imported files."""
    inputs: dict[str, Any] = dict(lock.tool["inputs"])
    imported = {file.name for file in lock.files if file.origin in SUPPLIED}
    wanted = [line for line in inputs["requirements"] if line.partition("==")[0] not in imported]
    limit = inputs.get("exclude_newer", "")
    return ResolveRequest(
        requirements=tuple(wanted),
        target=Target.named(platform, lock.tool["cell"]["npu"], lock.tool["cell"]["glibc"]),
        constraints=tuple(inputs.get("constraints", ())),
        excludes=tuple(inputs.get("excludes", ())),
        closed=tuple(inputs.get("closed", ())),
        allow_prerelease=tuple(inputs.get("allow_prerelease", ())),
        exclude_newer=datetime.fromisoformat(limit) if limit else None,
        extra_indexes=tuple(
            ExtraIndex(url=index["url"], names=tuple(index["names"]))
            for index in inputs.get("extra_indexes", ())
        ),
    )


@pytest.mark.network
@pytest.mark.parametrize("path", LOCKS, ids=lambda path: f"{path.parent.name}-{path.name.split('.')[1]}")
def test_both_resolvers_give_the_pins_of_a_committed_lock(path: Path) -> None:
    lock = load_pylock(path)
    request = request_of(lock, path.name.split(".")[1])
    pins = UvResolver().resolve(request).versions()
    assert PipToolsResolver().resolve(request).versions() == pins
    if request.exclude_newer:
        locked = {file.name: file.version for file in lock.files if file.origin not in SUPPLIED}
        assert pins == locked
