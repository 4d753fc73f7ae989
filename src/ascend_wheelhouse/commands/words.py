"""The command line words that name a cell, said once for every task that takes them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

CELL = {
    "torch": "2.8.0",
    "platform": "aarch64",
    "npu": "a3",
    "cann": "",
    "sglang": "",
    "stack": "",
}
HELP = {
    "torch": "torch version, such as 2.8.0",
    "platform": "aarch64 or x86_64",
    "npu": "a3 (default) or 910b",
    "cann": "CANN version; the stack's default when not given",
    "sglang": "SGLang version; the stack's when not given",
    "stack": "a stack by its name instead of torch, CANN and SGLang",
    "json": "machine-readable output",
}

_POSITIONAL = inspect.Parameter.POSITIONAL_OR_KEYWORD


def on_cell(body: Callable[..., None]) -> Callable[..., None]:
    """Give a task the options of `CELL`, which it gets as one mapping in its parameter `words`."""
    own = [one for one in inspect.signature(body).parameters.values() if one.name != "words"]
    needed = [one for one in own if one.default is inspect.Parameter.empty]
    cell = [inspect.Parameter(name, _POSITIONAL, default=value) for name, value in CELL.items()]
    offered = [one for one in own if one.default is not inspect.Parameter.empty]

    @functools.wraps(body)
    def task(*args: Any, **given: Any) -> None:  # noqa: ANN401 - whatever the task itself takes
        words = {name: given.pop(name, value) for name, value in CELL.items()}
        body(*args, words=words, **given)

    task.__signature__ = inspect.Signature([*needed, *cell, *offered])  # type: ignore[attr-defined]
    return task
