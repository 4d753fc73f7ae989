"""What a person asks a wheelhouse for, as it stands on the command line: the light half of `derive.py`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ascend_wheelhouse.base.cell_words import APPLICATION, own_words
from ascend_wheelhouse.cells.target import Target

ToolchainChoice = Literal["auto", "host", "own"]
"""Whose compilers a build takes: the host's, ours, or the host's where they fit."""


_PLAIN = re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))*(?:\.post[1-9]\d*)?")
"""A version as stacks write it; what looks otherwise may be one in another spelling."""
_EARLY = re.compile(r"\.(?:rc|t)(?=\d)", re.IGNORECASE)
"""What marks a CANN that is no final one."""


def _spelt(version: str) -> str:
    """Return a version as stacks write it, `2.8.0` for a tag `v2.8.0`; a text that is none as it is."""
    if not version or _PLAIN.fullmatch(version):
        return version
    from packaging.version import Version  # noqa: PLC0415 - hardly any request needs it

    try:
        return str(Version(version))
    except ValueError:
        return version


def _spelt_cann(cann: str) -> str:
    """Return a CANN version as upstream writes it, `8.3.RC2` for `8.3.rc2`: conditions of recipes name it so."""
    return _EARLY.sub(lambda found: found[0].upper(), cann.strip())


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
        """Take versions in other spellings for what stacks have: one stack, lock and wheelhouse however it is written.

        `2.13.0+cpu`, which pip shows, is 2.13.0: torch's CPU build is what every cell has. `0.5.6.post2+npu`, which it
        shows on a node, is 0.5.6.post2.
        """
        object.__setattr__(self, "torch", _spelt(self.torch).removesuffix("+cpu"))
        object.__setattr__(self, "sglang", _spelt(self.sglang).removesuffix("+npu"))
        object.__setattr__(self, "cann", _spelt_cann(self.cann))

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
