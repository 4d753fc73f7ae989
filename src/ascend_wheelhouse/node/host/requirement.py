"""Requirements such as `numpy>=1.19.2,<2`, compared with a version by the standard library alone.

What the recipes' reader has let through: a name and released versions, no extras, no markers. Source: PEP 440.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from .toolkits import numbers

_LENGTH = 6


def split_requirement(text: str) -> tuple[str, str]:
    """Return a requirement's name and its bounds: `numpy>=1.19,<2` is `numpy` and `>=1.19,<2`."""
    found = re.match(r"[A-Za-z0-9._-]+", text)
    name = found[0] if found else ""
    return re.sub(r"[-_.]+", "-", name).lower(), text[len(name) :].replace(" ", "")


def within(version: str, bounds: str) -> bool:
    """Whether a version is within all bounds: `>=`, `<=`, `>`, `<`, `!=`, `==` and `==3.20.*`."""
    have = _padded(version)
    tests: Mapping[str, Callable[[str], bool]] = {
        ">=": lambda bound: have >= _padded(bound),
        "<=": lambda bound: have <= _padded(bound),
        ">": lambda bound: have > _padded(bound),
        "<": lambda bound: have < _padded(bound),
        "!=": lambda bound: not _same(have, bound),
        "==": lambda bound: _same(have, bound),
    }
    parts = (re.fullmatch(r"(>=|<=|==|!=|<|>)(.+)", part) for part in bounds.split(","))
    return all(tests[part[1]](part[2]) for part in parts if part)


def _same(have: tuple[int, ...], bound: str) -> bool:
    if bound.endswith(".*"):
        wanted = numbers(bound)
        return have[: len(wanted)] == wanted
    return have == _padded(bound)


def _padded(version: str) -> tuple[int, ...]:
    found = numbers(version.partition("+")[0])
    return found + (0,) * (_LENGTH - len(found))
