"""Both resolvers, asked again what each committed lock was asked."""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.locks.pylock import ParsedPylock, load_pylock
from ascend_wheelhouse.resolve.pip_tools import PipToolsResolver
from ascend_wheelhouse.resolve.request import ExtraIndex, Resolver, ResolveRequest
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


def _questions() -> dict[str, list[Path]]:
    """Return the locks of each question, by the name of the first: the chip of a cell is no part of a question."""
    asked: dict[object, list[Path]] = {}
    for path in LOCKS:
        lock, platform = load_pylock(path), path.name.split(".")[1]
        inputs = {key: value for key, value in lock.tool["inputs"].items() if key != "resolver"}
        target = [platform, *(lock.tool["cell"][key] for key in ("glibc", "python"))]
        asked.setdefault(json.dumps([inputs, target], sort_keys=True), []).append(path)
    return {f"{paths[0].parent.name}-{paths[0].name.split('.')[1]}": paths for paths in asked.values()}


QUESTIONS = _questions()


ALL = "WHEELHOUSE_LONG_TESTS" in os.environ
FEW = list(QUESTIONS)[::3]
"""pip-tools takes half a minute for one: all of them are `nox -s locks`."""


@pytest.mark.network
@pytest.mark.parametrize("name", QUESTIONS)
def test_uv_gives_the_pins_of_a_committed_lock(name: str) -> None:
    assert_pinned(QUESTIONS[name], UvResolver())


@pytest.mark.network
@pytest.mark.parametrize("name", QUESTIONS if ALL else FEW)
def test_pip_tools_gives_the_pins_of_a_committed_lock(name: str) -> None:
    assert_pinned(QUESTIONS[name], PipToolsResolver())


def assert_pinned(paths: list[Path], resolver: Resolver) -> None:
    pins = resolver.resolve(request_of(load_pylock(paths[0]), paths[0].name.split(".")[1])).versions()
    for lock in map(load_pylock, paths):
        assert pins == {file.name: file.version for file in lock.files if file.origin not in SUPPLIED}


def test_every_committed_lock_says_as_of_when_it_was_asked() -> None:
    """Without it a lock could not be asked again: the index has newer files every day."""
    assert [
        path.parent.name for path in LOCKS if not load_pylock(path).tool["inputs"].get("exclude_newer")
    ] == []
