"""The names that Python itself provides: this interpreter's list, put right for the target's version."""

from __future__ import annotations

import sys
from functools import cache

_LEFT = frozenset({"asynchat", "asyncore", "distutils", "imp", "smtpd"})
_LEFT_IN = (3, 12)


@cache
def standard_library(python: tuple[int, int]) -> frozenset[str]:
    """Return the top-level names of the standard library of a `major, minor`, `__main__` among them."""
    known = frozenset(sys.stdlib_module_names) | {"__main__"}
    return known - _LEFT if python >= _LEFT_IN else known | _LEFT
