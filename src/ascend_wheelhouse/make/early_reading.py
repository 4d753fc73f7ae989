"""Reading wheels for the audit while others are still on their way: the audit finds in the store what was read."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property, partial
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

    They are started with the first wheel, while the line is slow and the processors are idle, unless `WORTH_A_PROCESS`
    says that all that is to be read is little. What fails here is read again by the audit, which tells of it.

    Args:
        wheels: Those that will come.
        recipes: They name modules of some wheels that are imported beside their packages.
        python: The target's `major, minor`.
        store: Where the wheels and their facts are.
        emit: Told when each was read.
        wanted: False does nothing.
    """

    def __init__(
        self,
        wheels: Iterable[LockedFile],
        recipes: Iterable[Recipe],
        python: tuple[int, int],
        store: Store,
        emit: Emit,
        *,
        wanted: bool,
    ) -> None:
        named = {canonicalize_name(one.distribution): one for one in recipes if one.distribution}
        self._roots = {name: tuple(recipe.roots) for name, recipe in named.items()}
        self._coming = wheels
        self._python, self._store, self._emit, self._wanted = python, store, emit, wanted
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
        if not self._is_wanted:
            return
        from ascend_wheelhouse.audit.readers import READERS

        task = self._task(wheel)
        if not self._store.has_result(task.key):
            proven = self._store.proven.has(task.wheel.path, wheel.sha256)
            READERS.read(task, self._store, prove=not proven).add_done_callback(
                partial(_tell, wheel.filename, self._emit)
            )

    @cached_property
    def _is_wanted(self) -> bool:
        """Whether there is enough to read; then the processes were started."""
        if not self._wanted:
            return False
        from ascend_wheelhouse.audit.readers import READERS, WORTH_A_PROCESS

        unread = [one for one in self._coming if not self._store.has_result(self._task(one).key)]
        if sum(one.artifact.size for one in unread) < WORTH_A_PROCESS:
            return False
        self._processes.enter_context(READERS.joined())
        READERS.start()
        return True

    def _task(self, wheel: LockedFile) -> WheelToRead:
        from ascend_wheelhouse.audit.readers import WheelInput, WheelToRead

        return WheelToRead(
            wheel=WheelInput(path=self._store.path(wheel.sha256), filename=wheel.filename),
            sha256=wheel.sha256,
            python=self._python,
            roots=self._roots.get(canonicalize_name(wheel.filename.partition("-")[0]), ()),
        )


def _tell(name: str, emit: Emit, done: Future[ReadWheel]) -> None:
    """Tell of a wheel that was read, in the thread that hears of it."""
    if not done.cancelled() and done.exception() is None:
        read = done.result()
        emit(Worked(kind="audit", name=name, began=read.began, ended=read.ended))
