"""Values that the cells of one run share: made once, and kept until the run is over.

Most wheels of a run of many cells are in several of them. Outside of such a run nothing is kept, so that each command
reads what the disk holds then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_V = TypeVar("_V")
_MOST = 1024
_guard = threading.Lock()
_clear: list[Callable[[], None]] = []
_runs = 0


@contextmanager
def sharing() -> Iterator[None]:
    """Have the values of functions that are `shared` kept in the block."""
    global _runs  # noqa: PLW0603 - one number for this process
    with _guard:
        _runs += 1
    try:
        yield
    finally:
        with _guard:
            _runs -= 1
            for clear in _clear if not _runs else ():
                clear()


def shared(make: Callable[_P, _V]) -> Callable[_P, _V]:
    """Have a function make each value once while a run shares; what it raises is never kept.

    One value is made at a time: cells that begin together want the same ones. Arguments are hashable.
    """
    making = threading.Lock()
    kept = lru_cache(maxsize=_MOST)(make)
    _clear.append(kept.cache_clear)

    @wraps(make)
    def value(*args: _P.args, **kwargs: _P.kwargs) -> _V:
        if not _runs:
            return make(*args, **kwargs)
        with making:
            return kept(*args, **kwargs)  # type: ignore[arg-type]  # whatever cannot be hashed raises

    return value
