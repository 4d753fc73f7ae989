"""What a person asks a wheelhouse for, as it stands on the command line: the light half of `derive.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ascend_wheelhouse.base.cell_words import own_words
from ascend_wheelhouse.cells.target import Target

ToolchainChoice = Literal["auto", "host", "own"]
"""Whose compilers a build takes: the host's, ours, or the host's where they fit."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a person asked for; empty words leave the choice to the stacks.

    Args:
        torch: The torch version.
        target: The kind of node.
        cann: The CANN version.
        sglang: The SGLang version.
        stack: A stack by its name, instead of torch, CANN and SGLang.
    """

    torch: str
    target: Target
    cann: str = ""
    sglang: str = ""
    stack: str = ""

    @property
    def words(self) -> str:
        """The options that asked for it, with the torch version left to be chosen."""
        return own_words({**self.asked, "torch": "VERSION", "stack": ""})

    @property
    def asked(self) -> dict[str, str]:
        """The words that asked for it, by option."""
        return {
            "torch": self.torch,
            **self.target.words,
            "cann": self.cann,
            "sglang": self.sglang,
            "stack": self.stack,
        }
