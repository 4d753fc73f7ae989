"""The failures that a person announces with `--known`: read before the first probe runs, which may take an hour."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Sequence

from ..errors import UsageError
from ..probes import CATALOGUE

WITH_ITEMS = ("imports", "requirements")
"""The probes that go by items: a package that does not import, a distribution whose requirement is not met."""


class UnknownFailureError(UsageError):
    """A failure was announced without its reason, or of a probe that there is not."""


def known_failures(words: Sequence[str]) -> dict[str, str]:
    """Read `PROBE[/ITEM]=REASON` pairs, and return each reason by `PROBE` or `PROBE/ITEM`.

    Raises:
        UnknownFailureError: A pair has no reason, or names no probe, or an item of a probe that has none.
    """
    pairs = dict(word.partition("=")[::2] for word in words)
    for name, reason in pairs.items():
        if not name or not reason:
            raise UnknownFailureError(
                f"--known {name!r} has no reason.", next_step="--known PROBE[/ITEM]=REASON"
            )
        _require_probe(name, reason)
    return pairs


def _require_probe(name: str, reason: str) -> None:
    probe, slash, _item = name.partition("/")
    names = [one.name for one in CATALOGUE]
    if probe not in names:
        near = difflib.get_close_matches(probe, names, 1) or ["PROBE"]
        raise UnknownFailureError(
            f"--known {name!r} names no probe.",
            why=f"The probes are {', '.join(names)}.",
            next_step=f"--known {shlex.quote(f'{near[0]}{name[len(probe) :]}={reason}')}",
        )
    if slash and probe not in WITH_ITEMS:
        raise UnknownFailureError(
            f"--known {name!r} names an item of a probe that has none.",
            why=f"Items have {' and '.join(WITH_ITEMS)} alone; any other probe fails as a whole.",
            next_step=f"--known {shlex.quote(f'{probe}={reason}')}",
        )
