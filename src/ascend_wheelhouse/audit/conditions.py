"""Conditions that a module decides its imports by, as far as the target decides them: three-valued.

`sys.platform`, `os.name`, `platform.system()`, `sys.version_info`, `TYPE_CHECKING` and `__name__` are known
for every node of a wheelhouse. Everything else is unknown, and an import under an unknown condition is not
certain.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

_KNOWN: Mapping[str, object] = {
    "sys.platform": "linux",
    "os.name": "posix",
    "platform.system()": "Linux",
    "TYPE_CHECKING": False,
    "typing.TYPE_CHECKING": False,
    "t.TYPE_CHECKING": False,
    "__name__": "module",
    "__debug__": True,
}
_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], object]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
_NOTHING = object()


def holds(test: ast.expr, python: tuple[int, int]) -> bool | None:
    """Tell whether a condition holds on the target; None when that cannot be told.

    Args:
        test: The condition.
        python: The target's `major, minor`.
    """
    match test:
        case ast.UnaryOp(op=ast.Not()):
            inner = holds(test.operand, python)
            return None if inner is None else not inner
        case ast.BoolOp():
            return _joined(test, python)
        case ast.Compare(ops=[operation], comparators=[right]):
            return _compared(test.left, operation, right, python)
        case ast.Call(
            func=ast.Attribute(attr="startswith", value=subject), args=[ast.Constant(value=str(start))]
        ):
            text = _value(subject, python)
            return text.startswith(start) if isinstance(text, str) else None
    value = _value(test, python)
    return None if value is _NOTHING else bool(value)


def _joined(test: ast.BoolOp, python: tuple[int, int]) -> bool | None:
    verdicts = [holds(value, python) for value in test.values]
    decisive = isinstance(test.op, ast.Or)
    if decisive in verdicts:
        return decisive
    return None if None in verdicts else not decisive


def _compared(left: ast.expr, operation: ast.cmpop, right: ast.expr, python: tuple[int, int]) -> bool | None:
    first, second = _value(left, python), _value(right, python)
    compare = _COMPARE.get(type(operation))
    if compare is None or first is _NOTHING or second is _NOTHING:
        return None
    try:
        return bool(compare(first, second))
    except TypeError:
        return None


def _value(node: ast.expr, python: tuple[int, int]) -> object:
    text = ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute | ast.Call) else ""
    if text in _KNOWN:
        return _KNOWN[text]
    match node:
        case ast.Attribute(attr="version_info"):
            return (*python, 1 << 10)
        case ast.Subscript(value=ast.Attribute(attr="version_info")):
            return _part_of_version(node.slice, python)
        case ast.Constant() | ast.Tuple() | ast.List() | ast.Set():
            return _literal(node)
    return _NOTHING


def _part_of_version(index: ast.expr, python: tuple[int, int]) -> object:
    match index:
        case ast.Constant(value=int(place)) if place in {0, 1}:
            return python[place]
        case ast.Slice(lower=None, upper=ast.Constant(value=int(end)), step=None):
            return python[:end]
    return _NOTHING


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (TypeError, ValueError, RecursionError):
        return _NOTHING
