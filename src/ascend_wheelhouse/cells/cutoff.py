"""The time after which uploads are not considered, as stacks, locks and `--exclude-newer` write it: RFC 3339."""

from __future__ import annotations

from datetime import UTC, datetime

from ascend_wheelhouse.base.errors import UsageError


class BadDateError(UsageError):
    """`--exclude-newer` or a stack's `exclude_newer` is no date."""


def cutoff(text: str) -> datetime | None:
    """Return an RFC 3339 time or date as UTC, None for an empty word.

    Raises:
        BadDateError: It is neither.
    """
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadDateError(
            f"{text!r} is no date.", next_step="--exclude-newer 2026-11-20 or 2026-11-20T12:00:00Z"
        ) from error
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
