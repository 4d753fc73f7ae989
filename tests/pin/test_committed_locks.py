"""Both resolvers, asked again what each committed lock was asked."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.locks.pylock import ParsedPylock, load_pylock
from ascend_wheelhouse.resolve.pip_tools import PipToolsResolver
from ascend_wheelhouse.resolve.request import ExtraIndex, Resolver, ResolveRequest
from ascend_wheelhouse.resolve.uv import UvResolver

_MOST_BROUGHT_BACK = 2
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
FEW = list(QUESTIONS)[::12]
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
    first, *others = (pins_of(load_pylock(path)) for path in paths)
    assert all(one == first for one in others)
    question = request_of(load_pylock(paths[0]), paths[0].name.split(".")[1])
    pins = resolver.resolve(question).versions()
    if held := brought_back(pins, first):
        question = replace(question, constraints=(*question.constraints, *held))
        pins = resolver.resolve(question).versions()
    assert pins == first


def pins_of(lock: ParsedPylock) -> dict[str, str]:
    """Return what a lock took from indexes."""
    return {file.name: file.version for file in lock.files if file.origin not in SUPPLIED}


def brought_back(pins: Mapping[str, str], locked: Mapping[str, str]) -> list[str]:
    """Return constraints that hold a few pins that are newer now to those of the lock; none where many are.

    An index that offers a release again which it had withdrawn changes its answer for a day long past. Seen with
    compressed-tensors 0.20.1 of October 2026, which was not there when these locks were made. The rest must stay.
    """
    newer = [name for name in pins.keys() & locked.keys() if Version(pins[name]) > Version(locked[name])]
    return [f"{name}=={locked[name]}" for name in sorted(newer)] if len(newer) <= _MOST_BROUGHT_BACK else []


@pytest.mark.parametrize(
    ("pins", "held"),
    [
        ({"a": "1", "b": "2"}, []),
        ({"a": "1.1", "b": "2"}, ["a==1"]),
        ({"a": "0.9", "b": "2"}, []),
        ({"a": "1.1", "b": "2", "c": "3"}, ["a==1"]),
        ({"a": "2", "b": "3", "d": "2", "e": "2"}, []),
    ],
)
def test_no_more_than_a_few_newer_releases_count_as_brought_back(
    pins: dict[str, str], held: list[str]
) -> None:
    assert brought_back(pins, {"a": "1", "b": "2", "d": "1", "e": "1"}) == held


def test_every_committed_lock_says_as_of_when_it_was_asked() -> None:
    """Without it a lock could not be asked again: the index has newer files every day."""
    assert [
        path.parent.name for path in LOCKS if not load_pylock(path).tool["inputs"].get("exclude_newer")
    ] == []
