"""The axes of a matrix: the options that name a cell, and what each value of one is held to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from packaging.version import Version

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.toml_fault import meant, shown
from ascend_wheelhouse.cells.file_values import check_cann, check_version
from ascend_wheelhouse.cells.stack import Catalogue
from ascend_wheelhouse.cells.target import MACHINES, Target

_PARTS = 3
"""As many numbers as every release of torch has."""
OF_STACK = ("torch", "cann", "sglang", "app")
"""Axes that a stack decides."""


def fault_of(axis: str, value: str, catalogue: Catalogue) -> str:
    """Return what is wrong with one value of an axis, or nothing.

    Args:
        axis: One of `names.AXES`.
        value: What stands there.
        catalogue: The stacks that there are.
    """
    if not value.strip():
        return "is empty"
    if axis == "stack":
        return _not_among(value, {one.name for one in catalogue.stacks}, "stack")
    if axis == "app":
        return _not_among(value, {one.application for one in catalogue.stacks}, "application")
    return _broken(_CHECKS[axis], value) if axis in _CHECKS else ""


def _broken(check: Callable[[str], object], value: str) -> str:
    try:
        check(value)
    except UsageError as error:
        return f"{error.what} Next: {error.next_step}"
    except ValueError as error:
        return str(error)
    return ""


def _check_torch(text: str) -> str:
    """Hold a torch to a release: a plan asks no index whether a line is one."""
    release = Version(check_version(text)).release
    if len(release) < _PARTS:
        raise ValueError(f"is {shown(text)}, a line and not a version: name a release such as {text}.0")
    return text


def _not_among(value: str, known: Iterable[str], kind: str) -> str:
    if value in known:
        return ""
    near = meant(value, known)
    proposal = f"did you mean {near}? " if near else ""
    return f"is {shown(value)}, and no {kind} is called so, {proposal}allowed are {', '.join(sorted(known))}"


_CHECKS: Mapping[str, Callable[[str], object]] = {
    "torch": _check_torch,
    "sglang": check_version,
    "cann": check_cann,
    "platform": Target.named,
    "npu": lambda value: Target.named(MACHINES[0], npu=value),
    "glibc": lambda value: Target.named(MACHINES[0], glibc=value),
    "python": lambda value: Target.named(MACHINES[0], python=value),
}
