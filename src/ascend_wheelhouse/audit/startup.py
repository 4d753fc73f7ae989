"""Part of `hygiene`: what Python runs at every start, before any program: lines of `.pth` files, and `sitecustomize`.

Source: the documentation of Python's module `site`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ascend_wheelhouse.audit.hygiene import Place
from ascend_wheelhouse.audit.report import Finding

_RUN = (b"import ", b"import\t")
_CUSTOM = ("sitecustomize", "usercustomize")
_SHOWN = 160
_REPAIR = "nothing, where that is meant; else leave the file out of the wheel"


def startup_findings(place: Place, installed: str, data: bytes) -> Iterator[Finding]:
    """Yield what of a member runs at every start of Python; `installed` is where it goes."""
    top, _, rest = installed.partition("/")
    if not rest and top.endswith(".pth"):
        lines = [line.strip() for line in data.splitlines() if line.startswith(_RUN)]
        if lines:
            text = "the member has code that runs at every start of Python, imported or not"
            evidence = lines[0][:_SHOWN].decode("utf-8", "replace")
            yield place.finding("runs-at-start", "note", text, evidence=evidence, repair=_REPAIR)
    elif top.removesuffix(".py") in _CUSTOM and rest in {"", "__init__.py"}:
        text = "Python imports this module at every start, and the environment can have one of that name"
        yield place.finding("runs-at-start", "warning", text, evidence=top, repair=_REPAIR)
