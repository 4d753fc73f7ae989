"""What shows only between stacks: a torch without one default, and two stacks of one cell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from ascend_wheelhouse.base.toml_file import Problem


class _Listed(Protocol):
    """What is looked at of a stack."""

    @property
    def application(self) -> str: ...
    @property
    def release(self) -> str: ...
    @property
    def torch(self) -> str: ...
    @property
    def cann(self) -> str: ...
    @property
    def default(self) -> bool: ...
    @property
    def platforms(self) -> Sequence[str]: ...
    @property
    def npus(self) -> Sequence[str]: ...


def defaults(stacks: Mapping[str, _Listed], *, all_read: bool) -> Iterator[Problem]:
    """Yield torch versions that have not one default; a stack that cannot be read may be the missing one."""
    by_torch: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for name, stack in stacks.items():
        by_torch[stack.application, stack.torch].append(name)
    for (_, torch), names in by_torch.items():
        first, *others = [name for name in names if stacks[name].default] or [""]
        for name in others:
            text = f"{first} is the default for torch {torch} already, exactly one stack must be"
            yield Problem(file=f"recipes/stacks/{name}.toml", key="default", text=text, rule="twice")
        if not first and all_read:
            text = (
                f"none of the stacks {', '.join(names)} is the default for torch {torch}, exactly one must be"
            )
            yield Problem(file=f"recipes/stacks/{names[0]}.toml", key="default", text=text)


def same_cells(stacks: Mapping[str, _Listed]) -> Iterator[Problem]:
    """Yield stacks that are of one cell with another: lock and wheelhouse of both would have one name."""
    by_cell: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, stack in stacks.items():
        cell = (stack.application, stack.release, stack.torch, stack.cann.lower())
        for first in by_cell[cell]:
            other = stacks[first]
            if {*other.platforms} & {*stack.platforms} and {*other.npus} & {*stack.npus}:
                text = (
                    f"is a cell of {first} too ({stack.application} {stack.release}, torch {stack.torch}, CANN "
                    f"{stack.cann}): both would have one lock. Remove one, or give your own file the name of the "
                    "other, in whose place it then stands"
                )
                yield Problem(file=f"recipes/stacks/{name}.toml", key="name", text=text, rule="twice")
        by_cell[cell].append(name)
