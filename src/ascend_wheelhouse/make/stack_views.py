"""The choice of stacks as one list: what goes together, from where that is known, and what is locked of it.

What is pending is read off the committed locks, which say what no origin gave where they were made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from packaging.version import Version

from ascend_wheelhouse.base.cell_words import APPLICATION, own_words
from ascend_wheelhouse.base.errors import UsageError, WheelhouseError
from ascend_wheelhouse.base.layered import Layered
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.stack import Catalogue, Stack, cell_of, choose
from ascend_wheelhouse.cells.target import FLOOR, MACHINES, NPUS, PYTHONS, Machine, Npu, Target, dotted
from ascend_wheelhouse.locks.lock import load

_NODES = re.compile(r"(-glibc(?P<glibc>[0-9.]+))?(-py(?P<python>[0-9.]+))?")
"""What stands behind a cell's name in that of its folder, where nodes have another glibc or Python than the usual."""


@dataclass(frozen=True, kw_only=True)
class LockView:
    """One committed lock of a stack.

    Args:
        platform: The machine.
        npu: The chip.
        glibc: The oldest glibc of the nodes.
        python: Their CPython, `major.minor`.
        wheels: How many wheels it has, those that are built included.
        pending: Components that no origin gave where it was made.
        error: Why it cannot be read; None where it can.
    """

    platform: Machine
    npu: Npu
    glibc: str
    python: str
    wheels: int = 0
    pending: tuple[str, ...] = ()
    error: WheelhouseError | None = None

    @property
    def place(self) -> str:
        """The machine, with the glibc and the Python of its nodes where they are not the usual ones."""
        glibc = "" if self.glibc == dotted(FLOOR) else f" glibc {self.glibc}"
        python = "" if self.python == dotted(PYTHONS[0]) else f" Python {self.python}"
        return f"{self.platform}{glibc}{python}"


@dataclass(frozen=True, kw_only=True)
class StackView:
    """One stack, as a person chooses it.

    Args:
        name: The stack file's name.
        summary: One sentence.
        words: The options that choose it, without platform and chip.
        default: Whether its torch version alone chooses it.
        application: What it is for.
        release: The application's version.
        components: Every version.
        cann: CANN's version.
        platforms: Machines.
        npus: Chips.
        python: Each CPython that nodes may have, `major.minor`, the default first.
        sources: From where the combination is known.
        notes: What is not known of it, and what to know.
        locks: The committed locks.
    """

    name: str
    summary: str
    words: str
    default: bool
    application: str
    release: str
    components: dict[str, str]
    cann: str
    platforms: tuple[str, ...]
    npus: tuple[str, ...]
    python: tuple[str, ...]
    sources: tuple[str, ...]
    notes: tuple[str, ...]
    locks: tuple[LockView, ...]

    @property
    def locked(self) -> str:
        """The machines that it is locked for, each with what is unusual of its nodes."""
        told = (one.place for one in self.locks if one.error is None)
        return ", ".join(dict.fromkeys(told)) or "on first use"

    @property
    def errors(self) -> tuple[WheelhouseError, ...]:
        """Why locks of it cannot be read."""
        return tuple(one.error for one in self.locks if one.error)

    def as_dict(self) -> dict[str, object]:
        """Return what `--json` prints."""
        return asdict(self, dict_factory=_plain)


def _plain(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return {name: value.as_dict() if isinstance(value, WheelhouseError) else value for name, value in pairs}


def stack_views(catalogue: Catalogue, lockfiles: Path | Layered) -> list[StackView]:
    """Return every stack, by torch, CANN and SGLang, the default of a torch version first.

    A committed lock that cannot be read is told by its `error`, and keeps no other out.
    """
    ordered = sorted(
        catalogue.stacks,
        key=lambda one: (
            one.application != APPLICATION,
            Version(one.torch),
            not one.default,
            one.cann,
            Version(one.release),
        ),
    )
    return [_view(stack, catalogue, Layered.of(lockfiles)) for stack in ordered]


def _view(stack: Stack, catalogue: Catalogue, lockfiles: Layered) -> StackView:
    return StackView(
        name=stack.name,
        summary=stack.summary,
        words=_words(stack, catalogue),
        default=stack.default,
        application=stack.application,
        release=stack.release,
        components=dict(stack.components),
        cann=stack.cann,
        platforms=tuple(stack.platforms),
        npus=tuple(stack.npus),
        python=tuple(map(dotted, PYTHONS)),
        sources=tuple(stack.sources),
        notes=tuple(stack.notes),
        locks=tuple(_locks(stack, catalogue, lockfiles)),
    )


def _words(stack: Stack, catalogue: Catalogue) -> str:
    """Return the fewest options that choose a stack."""
    target = Target(machine=stack.platforms[0], npu=stack.npus[0])
    app = stack.application if stack.application != APPLICATION else ""
    sglang = "" if app else stack.release
    if app and choose(catalogue, torch="", target=target, application=app) == cell_of(
        stack, target, catalogue
    ):
        return own_words({"app": app})
    for cann, release in (("", ""), ("", sglang), (stack.cann, ""), (stack.cann, sglang)):
        found = choose(
            catalogue,
            torch=stack.torch,
            target=target,
            cann=cann,
            sglang=release,
            application=stack.application,
        )
        if found is not None and found.stack == stack.name:
            return own_words({"torch": stack.torch, "cann": cann, "sglang": release, "app": app})
    return own_words({"stack": stack.name})


def _locks(stack: Stack, catalogue: Catalogue, lockfiles: Layered) -> Iterator[LockView]:
    for machine in (one for one in MACHINES if one in stack.platforms):
        for npu in (one for one in NPUS if one in stack.npus):
            cell = cell_of(stack, Target(machine=machine, npu=npu), catalogue)
            for name in lockfiles.named(f"{cell.stack_id}*"):
                yield from _lock(lockfiles.below(name), cell, npu)


def _lock(folder: Layered, cell: Cell, npu: Npu) -> Iterator[LockView]:
    """Yield the lock of a cell in a folder of its own name, or of that with a glibc, a Python or both behind it."""
    named = _NODES.fullmatch(folder.own.name.removeprefix(cell.stack_id))
    if named is None:
        return
    glibc, python = named["glibc"] or dotted(FLOOR), named["python"] or dotted(PYTHONS[0])
    platform = cell.target.machine
    try:
        lock = load(folder, cell)
    except UsageError as error:
        words = (f" --{name} {text}" for name, text in named.groupdict().items() if text)
        error.for_cell(cell.words + "".join(words))
        yield LockView(platform=platform, npu=npu, glibc=glibc, python=python, error=error)
        return
    if lock is not None:
        yield LockView(
            platform=platform,
            npu=npu,
            glibc=lock.cell.get("glibc", glibc),
            python=lock.cell.get("python", python),
            wheels=len(lock.wheels) + len(lock.sources),
            pending=tuple(one.component for one in lock.pending),
        )
