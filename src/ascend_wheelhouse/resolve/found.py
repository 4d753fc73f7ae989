"""The files behind uv's pins, from the pages that it has just read.

A second run of uv, offline and without dependencies, turns pins into PEP 751 with every wheel that the target
takes; that costs a tenth of reading the same pages again here. What it cannot tell is left to the index
finder.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.process import run
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.resolve.request import Pin
from ascend_wheelhouse.resolve.tool import environment
from ascend_wheelhouse.wheels.wheel_names import BuildRank, build_rank

_PINS = "pins.in"
_FOUND = "pylock.found.toml"
_NEVER = sys.maxsize
_LEFT_OUT = {"--constraints", "--overrides", "--output-file"}
"""Options, each with a value, that do not matter for pins."""


def find_files(
    pins: Sequence[Pin], command: Sequence[str], places: Mapping[str, str], folder: Path, target: Target
) -> tuple[Artifact, ...]:
    """Return the best wheel of each pin that uv's cache knows with size and sha256.

    Args:
        pins: What uv resolved.
        command: The command line that it resolved them with.
        places: The variables that named the indexes and folders then; those after the main index are left out.
        folder: Where that command ran.
        target: The machine.
    """
    (folder / _PINS).write_text("".join(f"{pin}\n" for pin in pins), encoding="utf-8")
    again = list(_again(command))
    same = {name: value for name, value in places.items() if name != "UV_INDEX"}
    env = environment({"UV_OFFLINE": "1", "UV_NO_PROGRESS": "1", **same})
    done = run(again, cwd=folder, env=env, check=False)
    if done.status != 0:
        return ()
    document = tomllib.loads((folder / _FOUND).read_text("utf-8"))
    rank = {tag: place for place, tag in reversed(list(enumerate(target.tags)))}
    return tuple(filter(None, (_best(package, rank) for package in document.get("packages", ()))))


def _again(command: Sequence[str]) -> Iterator[str]:
    """Yield the command for pins in place of requirements, and PEP 751 in place of its answer."""
    words = iter(command)
    for word in words:
        if word in _LEFT_OUT:
            next(words)
        elif word.endswith("requirements.in"):
            yield _PINS
        else:
            yield word
    yield from ("--no-deps", "--format", "pylock.toml", "--output-file", _FOUND)


def _best(package: Mapping[str, Any], rank: Mapping[Tag, int]) -> Artifact | None:
    wheels = [wheel for wheel in package.get("wheels", ()) if _is_known(wheel)]
    if not wheels or len(wheels) < len(package["wheels"]):
        return None
    ranked = [(_rank(_filename(wheel), rank), wheel) for wheel in wheels]
    (place, *_), wheel = min(ranked, key=lambda item: item[0])
    if place == _NEVER:
        return None
    return Artifact(
        filename=_filename(wheel),
        size=wheel["size"],
        sha256=wheel["hashes"]["sha256"],
    )


def _is_known(wheel: Mapping[str, Any]) -> bool:
    remote = urlsplit(wheel.get("url", "")).scheme in {"http", "https"}
    return remote and "size" in wheel and "sha256" in wheel.get("hashes", {})


def _filename(wheel: Mapping[str, Any]) -> str:
    return unquote(urlsplit(wheel["url"]).path.rsplit("/", 1)[-1])


def _rank(filename: str, rank: Mapping[Tag, int]) -> tuple[int, BuildRank]:
    """Return the place of the best tag, then the build: the later one comes first, as for `origins.judge`."""
    _, _, build, tags = parse_wheel_filename(filename)
    return min(rank.get(tag, _NEVER) for tag in tags), build_rank(build)
