"""From command line words to what a run is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ascend_wheelhouse.cells.derive import Request
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.make.wheelhouse import Options


def options_of(
    words: Mapping[str, str], output: Path | None = None, *, upgrade: bool = False, audit: bool = True
) -> Options:
    """Return the options that command line words mean."""
    request = Request(
        torch=words["torch"],
        target=Target.named(words["platform"], words["npu"]),
        cann=words.get("cann", ""),
        sglang=words.get("sglang", ""),
        stack=words.get("stack", ""),
    )
    return Options(
        request=request,
        upgrade=upgrade,
        resolver=words.get("resolver") or "pip-tools",
        exclude_newer=words.get("exclude_newer", ""),
        build=frozenset(filter(None, words.get("build", "").split(","))),
        output=output,
        audit=audit,
    )
