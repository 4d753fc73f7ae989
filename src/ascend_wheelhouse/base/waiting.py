"""Threads that wait for servers: a run that is stopped does not wait for them.

A request that was sent cannot be taken back, and Python ends no process before the threads of its pools have ended.
A server that does not answer would hold a stopped run for its whole timeout, once for each question.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from time import monotonic

_PATIENCE_SECONDS = 1.0
_left: set[threading.Thread] = set()


@contextmanager
def asking(workers: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """Open a pool whose threads ask servers, and do nothing that a kill would harm.

    Args:
        workers: How many questions are on their way at once.
        name: What the names of its threads begin with.

    Raises:
        KeyboardInterrupt: Passed on at once: nothing more is asked, and threads that still wait are left behind.
    """
    threads: list[threading.Thread] = []
    pool = ThreadPoolExecutor(
        workers, thread_name_prefix=name, initializer=lambda: threads.append(threading.current_thread())
    )
    try:
        yield pool
        pool.shutdown()
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        leave(threads)
        raise
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise


def leave(threads: Iterable[threading.Thread]) -> None:
    """Leave threads behind: `end` need not wait for them, nor for what they wait for."""
    _left.update(threads)


def end(code: int) -> None:
    """End this process where threads were left behind that still run a second later; else return.

    Args:
        code: The exit code.
    """
    until = monotonic() + _PATIENCE_SECONDS
    for thread in filter(threading.Thread.is_alive, _left):  # one that was not started cannot be joined
        thread.join(max(0.0, until - monotonic()))
    if not any(thread.is_alive() for thread in _left):
        _left.clear()
        return
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code)
