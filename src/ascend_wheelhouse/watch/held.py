"""Every committed lock of a project folder, whatever cell it is of, and the stacks that have none yet."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from ascend_wheelhouse.base.cell_words import APPLICATION, stated_words
from ascend_wheelhouse.base.errors import UsageError, WheelhouseError, file_trouble
from ascend_wheelhouse.base.packaged import lockfiles_of
from ascend_wheelhouse.cells.cutoff import cutoff
from ascend_wheelhouse.cells.stack import Stack
from ascend_wheelhouse.cells.target import MACHINES, NPUS, Target
from ascend_wheelhouse.locks.lock import Lock, load_platform
from ascend_wheelhouse.locks.stated_cell import naming_cell, stated_cell
from ascend_wheelhouse.locks.toolchain_lock import FOLDER
from ascend_wheelhouse.make.project_folder import ProjectFolder


class NothingToWatchError(UsageError):
    """No stack and no lock is what the options say."""


@dataclass(frozen=True, kw_only=True)
class WatchChoice:
    """Which stacks and locks are watched: those that everything given here holds for; an empty text holds for all.

    Args:
        stack: A stack by its name, or a folder of `lockfiles/`.
        torch: Its torch.
        platform: The machine.
        npu: The chip.
        cann: Its CANN.
        app: What it is for.
    """

    stack: str = ""
    torch: str = ""
    platform: str = ""
    npu: str = ""
    cann: str = ""
    app: str = ""

    @property
    def words(self) -> str:
        """The options that say it."""
        return shlex.join(
            word for name, text in asdict(self).items() if text for word in (f"--{name}", str(text))
        )


@dataclass(frozen=True, kw_only=True)
class HeldLock:
    """One committed lock.

    Args:
        folder: The folder's name.
        platform: The machine.
        lock: What it says.
        stack: The stack file that it was made from, empty for a derived cell.
    """

    folder: str
    platform: str
    lock: Lock
    stack: str

    @property
    def name(self) -> str:
        """What findings call it."""
        return f"{self.folder}/{self.platform}"

    @property
    def cell(self) -> Mapping[str, str]:
        """What it says of its cell."""
        return self.lock.cell

    @cached_property
    def target(self) -> Target:
        """The nodes that it is for."""
        cell = self.cell
        return Target.named(
            self.platform, cell.get("npu", "a3"), cell.get("glibc", ""), cell.get("python", "")
        )

    @property
    def words(self) -> str:
        """The options that name its cell."""
        return stated_words(self.cell)

    @property
    def since(self) -> datetime | None:
        """What it knows of the index: uploads before this time; None where it does not say."""
        return cutoff(self.lock.inputs.exclude_newer)


@dataclass(frozen=True, kw_only=True)
class UnreadLock:
    """A committed lock that cannot be read.

    Args:
        name: What findings would call it.
        stack: The stack file that its cell is of; empty where it is of none, None where it does not say.
        error: What is wrong with it.
    """

    name: str
    stack: str | None
    error: WheelhouseError

    def as_dict(self) -> dict[str, Any]:
        """Return what `--json` prints of it."""
        return {"lock": self.name, **self.error.as_dict()}


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What is watched.

    Args:
        stacks: The stacks.
        locks: Their committed locks, and those of derived cells.
        unread: Locks that may be meant as well, and cannot be read.
    """

    stacks: tuple[Stack, ...]
    locks: tuple[HeldLock, ...]
    unread: tuple[UnreadLock, ...] = ()

    @property
    def since(self) -> datetime | None:
        """The time of the oldest lock's knowledge of the index."""
        return min((one.since for one in self.locks if one.since), default=None)

    def locks_of(self, stacks: frozenset[str]) -> tuple[str, ...]:
        """Return the names of the locks of stacks."""
        return tuple(one.name for one in self.locks if one.stack in stacks)


def watched(folder: ProjectFolder, choice: WatchChoice) -> Watched:
    """Return what a choice means in a project folder.

    Raises:
        BadLockError, InvalidPylockError, FileTroubleError: No lock of the choice can be read.
        UsageError: There is no such machine or chip.
        NothingToWatchError: The choice means nothing.
    """
    Target.named(choice.platform or MACHINES[0], choice.npu or NPUS[0])
    found = list(_locks(folder, choice))
    locks = tuple(one for one in found if isinstance(one, HeldLock))
    unread = tuple(one for one in found if isinstance(one, UnreadLock))
    if unread and not locks:
        raise unread[0].error
    named = {one.stack for one in locks}
    stacks = tuple(one for one in folder.catalogue.stacks if one.name in named or _chosen_stack(one, choice))
    if not stacks and not locks:
        known = ", ".join(sorted(one.name for one in folder.catalogue.stacks))
        raise NothingToWatchError(
            f"No stack and no lock is what was asked for ({choice.words or 'all'}).",
            why=f"The stacks are {known or 'none'}.",
            next_step="`invoke stacks` shows what there is",
        )
    return Watched(stacks=stacks, locks=locks, unread=unread)


def _locks(folder: ProjectFolder, choice: WatchChoice) -> Iterator[HeldLock | UnreadLock]:
    stacks = folder.catalogue.stacks
    for path in lockfiles_of(folder.root).named("*/pylock.*.toml").values():
        if path.parent.name != FOLDER:
            platform = path.name.removeprefix("pylock.").removesuffix(".toml")
            name = path.parent.name
            try:
                with naming_cell(path):
                    lock = load_platform(path.parent, platform)
            except (UsageError, OSError) as error:
                cell = stated_cell(path)
                stack = _stack_of(cell, stacks) if cell else None
                if not cell or _is_chosen(choice, cell, {stack or "", name}, platform):
                    told = file_trouble(error) if isinstance(error, OSError) else error
                    yield UnreadLock(name=f"{name}/{platform}", stack=stack, error=told)
                continue
            if lock is not None:
                stack = _stack_of(lock.cell, () if lock.derived else stacks)
                if _is_chosen(choice, lock.cell, {stack, name}, platform):
                    yield HeldLock(folder=name, platform=platform, lock=lock, stack=stack)


def choosing(locks: Sequence[HeldLock]) -> str:
    """Return the narrowest `--stack`, after a space, that chooses all of some locks; empty where none does.

    Args:
        locks: At least one.
    """
    for names in ({one.folder for one in locks}, {one.stack for one in locks}):
        name = next(iter(names))
        if len(names) == 1 and name:
            return f" --stack {name}"
    return ""


def _stack_of(cell: Mapping[str, str], stacks: tuple[Stack, ...]) -> str:
    """Return the stack whose every version a lock's cell has; empty where none has them."""
    application = cell.get("app", APPLICATION)
    for stack in stacks:
        key = stack.application.replace("-", "_")
        if (
            application == stack.application
            and cell.get(key) == stack.release
            and cell.get("torch") == stack.torch
            and cell.get("cann") == stack.cann
        ):
            return stack.name
    return ""


def _is_chosen(choice: WatchChoice, cell: Mapping[str, str], names: set[str], platform: str) -> bool:
    """Tell whether a choice means a lock of that cell, which its stack and its folder name."""
    return (
        choice.stack in {"", *names, *(f"{name}/{platform}" for name in names)}
        and choice.torch in {"", cell.get("torch", "")}
        and choice.platform in {"", platform}
        and choice.npu in {"", cell.get("npu", "")}
        and choice.cann.lower() in {"", cell.get("cann", "").lower()}
        and choice.app in {"", cell.get("app", APPLICATION)}
    )


def _chosen_stack(stack: Stack, choice: WatchChoice) -> bool:
    return (
        choice.stack in {"", stack.name}
        and choice.torch in {"", stack.torch}
        and (not choice.platform or choice.platform in stack.platforms)
        and (not choice.npu or choice.npu in stack.npus)
        and choice.cann.lower() in {"", stack.cann.lower()}
        and choice.app in {"", stack.application}
    )
