"""What a person asks a wheelhouse for, as it stands on the command line: the light half of `derive.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ascend_wheelhouse.base.cell_words import APPLICATION, own_words
from ascend_wheelhouse.cells.target import Target

ToolchainChoice = Literal["auto", "host", "own"]
"""Whose compilers a build takes: the host's, ours, or the host's where they fit."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a person asked for; empty words leave the choice to the stacks.

    Args:
        torch: The torch version; empty for an application's default stack.
        target: The kind of node.
        cann: The CANN version.
        sglang: The SGLang version.
        stack: A stack by its name, instead of torch, CANN and SGLang.
        app: The application, such as `vllm-ascend`; SGLang when empty.
        extra: Optional components of the stack and extras of the application, separated by commas.
    """

    torch: str
    target: Target
    cann: str = ""
    sglang: str = ""
    stack: str = ""
    app: str = ""
    extra: str = ""

    def __post_init__(self) -> None:
        """Take `2.13.0+cpu`, which pip shows, for 2.13.0: torch's CPU build is what every cell has."""
        object.__setattr__(self, "torch", self.torch.removesuffix("+cpu"))

    @property
    def application(self) -> str:
        """The application's component."""
        return self.app or APPLICATION

    @property
    def extras(self) -> tuple[str, ...]:
        """What is asked for beyond the stack, sorted."""
        return tuple(sorted({name.strip() for name in self.extra.split(",")} - {""}))

    @property
    def words(self) -> str:
        """The options that asked for it, with the torch version left to be chosen."""
        return own_words({**self.asked, "torch": "VERSION", "stack": ""})

    @property
    def asked(self) -> dict[str, str]:
        """The words that asked for it, by option."""
        own = {"app": self.app, "extra": self.extra, "stack": self.stack}
        return {"torch": self.torch, **self.target.words, "cann": self.cann, "sglang": self.sglang, **own}
