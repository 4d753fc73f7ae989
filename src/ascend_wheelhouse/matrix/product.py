"""The combinations that a matrix means: the product of its axes, as GitHub Actions makes it.

What an `exclude` matches is left out. An `include` whose values of axes all match a combination adds its other values
to that; one that matches none is a combination of its own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ascend_wheelhouse.base.toml_fault import shown
from ascend_wheelhouse.matrix.axes import OF_STACK
from ascend_wheelhouse.matrix.faults import MatrixFault
from ascend_wheelhouse.matrix.names import AXES
from ascend_wheelhouse.matrix.spec import MatrixEntry, Spec

MOST = 256
"""As many cells as a matrix may have: GitHub's bound, and a typing mistake beyond it."""


@dataclass(frozen=True, kw_only=True)
class Combination:
    """The options of one cell, and the key path that it comes from."""

    values: Mapping[str, str]
    path: tuple[str | int, ...]

    @property
    def words(self) -> str:
        """The values as a person reads them: `stack torch2.8.0-cann8.5.0, npu a3`."""
        return ", ".join(f"{axis} {self.values[axis]}" for axis in AXES if axis in self.values)


def combinations(spec: Spec) -> tuple[list[Combination], list[MatrixFault]]:
    """Return the combinations of a matrix in the order of its values, and what is wrong with them."""
    axes = {axis: values for axis, values in spec.axes.items() if values}
    count = math.prod(map(len, axes.values()), start=1 if axes else 0)
    if count > MOST:
        return [], [MatrixFault(("axes",), f"would be {count} cells, and a matrix has {MOST} at most")]
    whole = (
        [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())] if axes else []
    )
    faults = [fault for entry in spec.exclude for fault in _excludes_something(entry, axes, whole)]
    left = [one for one in whole if not any(_matches(entry.values, one) for entry in spec.exclude)]
    kept, more, found = _with_includes(left, spec, axes)
    faults += found
    if not (kept or more or spec.faults):
        faults.append(MatrixFault(("exclude",), "leaves no cell over"))
    if text := _overruled(axes):
        faults.append(MatrixFault(("axes",), text))
    return [*(Combination(values=one, path=("axes",)) for one in kept), *more], faults


def _matches(values: Mapping[str, str], one: Mapping[str, str]) -> bool:
    return all(one.get(axis) == value for axis, value in values.items())


def _excludes_something(
    entry: MatrixEntry, axes: Mapping[str, tuple[str, ...]], whole: list[dict[str, str]]
) -> list[MatrixFault]:
    faults = []
    for axis, value in entry.values.items():
        path = (*entry.path, axis)
        if axis not in axes:
            known = ", ".join(axes) or "none"
            faults.append(
                MatrixFault(path, f"matches nothing: the axes of this matrix are {known}", "reference")
            )
        elif value not in axes[axis]:
            known = ", ".join(axes[axis])
            text = f"is {shown(value)} and matches nothing: the values of {axis} are {known}"
            faults.append(MatrixFault(path, text, "reference"))
    if not faults and not any(_matches(entry.values, one) for one in whole):
        faults.append(MatrixFault(entry.path, "matches nothing", "reference"))
    return faults


def _with_includes(
    left: list[dict[str, str]], spec: Spec, axes: Mapping[str, tuple[str, ...]]
) -> tuple[list[dict[str, str]], list[Combination], list[MatrixFault]]:
    """Return the product with what includes add to it, what they add beside it, and those that add nothing."""
    kept = [dict(one) for one in left]
    more: list[Combination] = []
    faults: list[MatrixFault] = []
    for entry in spec.include:
        own = {axis: value for axis, value in entry.values.items() if axis in axes}
        met = [number for number, one in enumerate(left) if _matches(own, one)]
        if not met:
            more.append(Combination(values=entry.values, path=entry.path))
        elif len(own) == len(entry.values):
            text = "adds nothing: the axes have this cell already"
            faults.append(MatrixFault(entry.path, text, "twice"))
        for number in met:
            kept[number] |= entry.values
        told = [text for number in met if (text := _overruled(kept[number]))] or [_overruled(entry.values)]
        if told[0] and not _overruled(axes):
            faults.append(MatrixFault(entry.path, told[0]))
    return kept, more, faults


def _overruled(values: Collection[str]) -> str:
    """Return what is wrong where a stack is named beside what it decides."""
    beside = [axis for axis in OF_STACK if axis in values]
    if "stack" not in values or not beside:
        return ""
    return f"makes cells with a stack and {' and '.join(beside)}, which the stack decides: leave one out"
