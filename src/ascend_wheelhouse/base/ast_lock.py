"""Python's parser of its own language, one thread at a time where more than one end in an error of its own."""

from __future__ import annotations

import ast
import functools
import sys
import threading

_SAFE = (3, 11, 8)


def serialise() -> None:
    """Have `ast.parse` take one caller at a time on a Python before 3.11.8; later ones are left as they are.

    There, a collection of garbage lets another thread in while a tree is made. Both count one depth, and one ends with
    `SystemError: AST constructor recursion depth mismatch` (python/cpython#106905, fixed by #113035). Who evaluates a
    literal parses, too: `packaging` does for the markers of requirements.
    """
    if sys.version_info >= _SAFE or hasattr(ast.parse, "__wrapped__"):
        return
    plain, alone = ast.parse, threading.RLock()

    @functools.wraps(plain)
    def parse(*args: object, **named: object) -> ast.AST:
        with alone:
            return plain(*args, **named)  # type: ignore[call-overload,no-any-return]  # as the caller wrote it

    ast.parse = parse  # type: ignore[assignment]
