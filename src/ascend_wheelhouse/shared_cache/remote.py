"""What a place must be able to do to hold a cache, and the few ways in which it can fail."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

LARGEST_TEXT = 1 << 20
"""Bytes of a small object; what is larger is none of ours."""
INCOMING = "incoming"
"""Where a place that has no whole writes keeps what is on its way."""


def shared_mode(mode: int, above: int) -> int:
    """Return the rights that something has on a cache, by its own and those of the folder that it lies in."""
    if stat.S_ISDIR(mode):
        return stat.S_IMODE(mode) | stat.S_IMODE(above)
    return 0o644 | above & 0o022


class RemoteError(Exception):
    """A place did not do what was asked of it; the text has no secret in it."""


class RemoteRefusedError(RemoteError):
    """It lets this login not do so; `why` and `next_step` are what a user is told of it."""

    why = "The login is missing, wrong or expired, or has no right to read there (docs/cache.md lists the rights)."
    next_step = "put the login where its kind has it (AWS_PROFILE, netrc, ssh-agent), or leave --cache away"


class LoginExpiredError(RemoteRefusedError):
    """The login was good once, or will be once the clocks agree."""


class ClockWrongError(LoginExpiredError):
    """The clocks of the place and of this host do not agree."""

    why = "What is asked there is signed with the time, and this host's clock is another than the server's."
    next_step = "set this host's clock (`timedatectl` shows whether it is kept), then the same command again"


class FolderClosedError(RemoteRefusedError):
    """The rights of a folder let this user not do so."""

    why = "The rights of the folder, or of one above it, keep this user out: who made it may have had umask 077."
    next_step = (
        "have its owner open it (`chmod`; docs/cache.md shows a folder for a group), or leave --cache away"
    )


class HostKeyError(RemoteRefusedError):
    """The host does not show the key that it is known by."""

    why = "Nothing was sent: the host may be a new one, or another that stands between."
    next_step = (
        "compare its key with what its keeper says, then put it into known_hosts, or leave --cache away"
    )


class UnavailableError(RemoteError):
    """It does not answer, or not in time."""


class MissingPlaceError(UnavailableError):
    """It answers, and has no such place, which no waiting will bring."""


class NoSpaceError(RemoteError):
    """Its disk or quota is full."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An object: its name below the cache, bytes, and when it was written by the place's own clock, since 1970."""

    name: str
    size: int
    modified: float


class Remote(Protocol):
    """A place. Every call may raise RemoteError; threads share it. Names are relative, with slashes."""

    shown: str
    """Its URL without a login."""
    writable: ClassVar[bool]

    def read(self, name: str) -> bytes | None:
        """Return a small object; None where there is none."""
        ...

    def stat(self, name: str) -> Stored | None:
        """Return what there is of a name; None where there is nothing."""
        ...

    def url(self, name: str) -> str:
        """Return where any HTTP client, or a copy, can read an object for some hours; empty where `copy` must."""
        ...

    def copy(self, name: str, offset: int) -> Iterator[bytes] | None:
        """Yield an object's bytes from an offset; None where there is none."""
        ...

    def write(self, name: str, content: bytes, *, replace: bool) -> bool:
        """Write a small object whole or not at all; tell whether it was, which without `replace` an older one stops."""
        ...

    def upload(self, name: str, source: Path) -> None:
        """Write a file whole or not at all, over any older one."""
        ...

    def refresh(self, name: str) -> None:
        """Have an object count as new."""
        ...

    def listing(self, folder: str) -> Iterator[Stored]:
        """Yield every object below a folder."""
        ...

    def remove(self, names: Sequence[str]) -> None:
        """Remove objects, those that are gone already included."""
        ...

    def drop_unfinished(self, before: float) -> None:
        """Remove what uploads that were begun before a time left half-done."""
        ...
