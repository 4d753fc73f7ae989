"""The options that name a cell, declared once for every task that is about one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Any, ClassVar

from invoke.tasks import task

from ascend_wheelhouse import console
from ascend_wheelhouse.commands.tasks.built_in import NPU, PLATFORM, TORCH
from ascend_wheelhouse.commands.tasks.flags import FlagTask

if TYPE_CHECKING:
    from ascend_wheelhouse.cells.request import Request

_HELP = {
    "torch": "torch version; 2.8.0 when not given, or the stack's of --app",
    "platform": "aarch64 or x86_64",
    "npu": "a3 (default), 910b or 950",
    "glibc": "the oldest glibc of the nodes, such as 2.34; 2.28 when not given",
    "python": "Python of the nodes, 3.11 (default) or 3.12",
    "cann": "CANN version; the stack's default when not given",
    "sglang": "SGLang version; the stack's when not given",
    "stack": "a stack by its name instead of torch, CANN and SGLang",
    "app": "what the wheelhouse serves with: sglang (default) or vllm-ascend",
    "extra": "more of it, separated by commas: diffusion, torchaudio, memfabric-zbal",
}


@dataclass(frozen=True, kw_only=True)
class CellOptions:
    """What the command line says of a cell, an option a field; one not given leaves the choice to the stacks."""

    torch: str | None = None
    platform: str = PLATFORM
    npu: str = NPU
    glibc: str = ""
    python: str = ""
    cann: str = ""
    sglang: str = ""
    stack: str = ""
    app: str = ""
    extra: str = ""

    @property
    def chosen_torch(self) -> str:
        """The torch version: the guide's where no version, no stack and no other application is named."""
        return self.torch if self.torch is not None else ("" if self.app or self.stack else TORCH)

    def request(self) -> Request:
        """Return the request for the cell.

        Raises:
            UsageError: There is no such platform or chip.
        """
        from ascend_wheelhouse.cells.request import Request
        from ascend_wheelhouse.cells.target import Target

        target = Target.named(self.platform, self.npu, self.glibc, self.python)
        return Request(
            torch=self.chosen_torch,
            target=target,
            cann=self.cann,
            sglang=self.sglang,
            stack=self.stack,
            app=self.app,
            extra=self.extra,
        )

    def guard(self, *, json: bool) -> AbstractContextManager[None]:
        """Return what turns errors into exit codes, every command that they propose about this cell."""
        return console.main_guard(json=json, words={**vars(self), "torch": self.chosen_torch})


class CellTask(FlagTask):
    """A task whose body takes `CellOptions` after the context, and whose command line has the options in them.

    Args:
        body: The function.
        help: The texts for its other options.
        settled: Other options whose defaults stand in `ascend-wheelhouse.toml`.
        options: What any task takes.
    """

    common: ClassVar[Mapping[str, str]] = {**FlagTask.common, **_HELP}

    def __init__(
        self,
        body: Callable[..., None],
        help: Mapping[str, str] | None = None,  # noqa: A002 - Invoke's name
        settled: Sequence[str] = (),
        **options: Any,  # noqa: ANN401 - Invoke's
    ) -> None:
        super().__init__(body, help, settled=(*_HELP, *settled), **options)

    def argspec(self, body: Callable[..., None]) -> Signature:
        """Return the options of the command line: the cell's stand before those that have a default."""
        _cell, *own = super().argspec(body).parameters.values()
        needed = [one for one in own if one.default is Parameter.empty]
        cell = [
            one.replace(kind=Parameter.POSITIONAL_OR_KEYWORD)
            for one in self._unsettled(signature(CellOptions).parameters.values())
        ]
        return Signature([*needed, *cell, *(one for one in own if one not in needed)])

    def run_body(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - Invoke's
        """Put the cell before the other options."""
        cell = CellOptions(**{name: options.pop(name) for name in _HELP if name in options})
        super().run_body(*args, cell, **options)


cell_task = functools.partial(task, klass=CellTask)
"""`invoke.task` for a task that is about one cell."""
