"""One-letter options: few, and of the same meaning in every task. Invoke by itself would take the first letter free."""

from __future__ import annotations

import functools
from typing import Any

from invoke.tasks import Task
from invoke.tasks import task as invoke_task

SHORT = {"torch": "t", "platform": "p", "npu": "n", "out": "o", "output": "o", "json": "j"}
"""The letter of each option that has one."""


class FlagTask(Task[Any]):
    """A task whose options have the letters of `SHORT` and no others; `-h` stays Invoke's help."""

    def arg_opts(self, name: str, default: str, taken_names: set[str]) -> dict[str, Any]:
        """Return what Invoke makes the argument of, its names chosen here."""
        options = super().arg_opts(name, default, taken_names)
        letter = [SHORT[name]] if name in SHORT and name not in self.positional else []
        return {**options, "names": [options["names"][0], *letter]}


task = functools.partial(invoke_task, klass=FlagTask)
"""`invoke.task` with our letters."""
