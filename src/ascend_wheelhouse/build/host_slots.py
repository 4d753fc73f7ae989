"""The slots of this host for compilers: one supply for all runs of this process, as the cells of a matrix are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Condition

from ascend_wheelhouse.build.jobserver import Jobserver, host_memory_mb, jobserver, share


@dataclass(frozen=True, kw_only=True)
class HostShare:
    """What builds of this host have in common.

    Args:
        server: The slots.
        memory_mb: Memory that compilers may use together, in MiB, as it was before the first of them began.
        per_job_mb: What one compiler may need, in MiB, that the slots were reckoned for.
    """

    server: Jobserver
    memory_mb: int
    per_job_mb: int


class HostSlots:
    """The supply, while anybody has joined.

    Runs side by side that each took all cores would need the memory of this host several times.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._opened = ExitStack()
        self._share: HostShare | None = None
        self._users = 0

    @contextmanager
    def joined(self, per_job_mb: int) -> Iterator[HostShare]:
        """Have a share in the block; waits for the end of those whose slots were reckoned for smaller compilers.

        Args:
            per_job_mb: What one compiler may need, in MiB; 0 where nothing is compiled.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._share is None or per_job_mb <= self._share.per_job_mb)
            mine = self._share = self._share or self._new(per_job_mb)
            self._users += 1
        try:
            yield mine
        finally:
            with self._changed:
                self._users -= 1
                if not self._users:
                    self._share = None
                    self._opened.close()
                self._changed.notify_all()

    def _new(self, per_job_mb: int) -> HostShare:
        memory = host_memory_mb()
        slots = share(len(os.sched_getaffinity(0)), builds=1, memory_mb=memory, per_job_mb=per_job_mb)
        server = self._opened.enter_context(jobserver(slots))
        return HostShare(server=server, memory_mb=memory, per_job_mb=per_job_mb)


HOST_SLOTS = HostSlots()
"""Those of this process."""
