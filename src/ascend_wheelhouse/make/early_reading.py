"""Reading wheels for the audit while others are still on their way: the audit finds in the store what was read."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from packaging.utils import canonicalize_name

from ascend_wheelhouse.base.events import Emit, Worked
from ascend_wheelhouse.cells.recipe import Recipe
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from ascend_wheelhouse.audit.readers import ReadWheel, WheelToRead


class EarlyReading:
    """Has wheels read as they come, by the processes of the audit, which end with this block at the latest.

    Nothing is begun for what `WORTH_A_PROCESS` says is little. What fails here is read again by the audit, which tells
    of it.

    Args:
        recipes: They name modules of some wheels that are imported beside their packages.
        python: The target's `major, minor`.
        store: Where the wheels and their facts are.
        emit: Told when each was read.
        wanted: False does nothing.
    """

    def __init__(
        self, recipes: Iterable[Recipe], python: tuple[int, int], store: Store, emit: Emit, *, wanted: bool
    ) -> None:
        named = {canonicalize_name(one.distribution): one for one in recipes if one.distribution}
        self._roots = {name: tuple(recipe.roots) for name, recipe in named.items()}
        self._python, self._store, self._emit, self._wanted = python, store, emit, wanted
        self._waiting: list[WheelToRead] = []
        self._size = 0
        self._processes = ExitStack()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes, at once where the block failed."""
        self._wanted = False
        self._processes.__exit__(kind, error, trace)

    def take(self, wheel: LockedFile) -> None:
        """Have a wheel read that is in the store, unless its facts are known; for one thread."""
        if not self._wanted:
            return
        from ascend_wheelhouse.audit.readers import READERS, WORTH_A_PROCESS, WheelInput, WheelToRead

        task = WheelToRead(
            wheel=WheelInput(path=self._store.path(wheel.sha256), filename=wheel.filename),
            sha256=wheel.sha256,
            python=self._python,
            roots=self._roots.get(canonicalize_name(wheel.filename.partition("-")[0]), ()),
        )
        if self._store.has_result(task.key):
            return
        before, self._size = self._size, self._size + self._store.size_of(wheel.sha256)
        self._waiting.append(task)
        if self._size < WORTH_A_PROCESS:
            return
        if before < WORTH_A_PROCESS:
            self._processes.enter_context(READERS.joined())
        for one in self._waiting:
            READERS.read(one, self._store, prove=True).add_done_callback(
                partial(_tell, one.wheel.filename, self._emit)
            )
        self._waiting = []


def _tell(name: str, emit: Emit, done: Future[ReadWheel]) -> None:
    """Tell of a wheel that was read, in the thread that hears of it."""
    if not done.cancelled() and done.exception() is None:
        read = done.result()
        emit(Worked(kind="audit", name=name, began=read.began, ended=read.ended))
