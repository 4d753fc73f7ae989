"""Credentials as pip finds them: in the URL, in the index URL of the same host, in netrc, in the keyring."""

from __future__ import annotations

import netrc
import os
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import SplitResult, unquote, urlsplit

from ascend_wheelhouse.base.places import at_home

Login = tuple[str, str]


class Credentials:
    """Logins by URL.

    Args:
        index_urls: URLs that may carry a login, used for every URL on the same host.
    """

    def __init__(self, index_urls: Iterable[str] = ()) -> None:
        self._indexes = [urlsplit(url) for url in index_urls]
        self._netrc = _read_netrc()

    def known(self, url: str) -> Login | None:
        """Return the login that needs no keyring, or None.

        A name without a password, as in `https://TOKEN@host/simple`, counts where netrc has none, as in pip.
        """
        parts = urlsplit(url)
        stated = [parts, *(index for index in self._indexes if _place(index) == _place(parts))]
        whole = next(filter(None, map(_embedded, stated)), None)
        return (
            whole
            or self._from_netrc(parts.hostname or "")
            or next(filter(None, map(_name_alone, stated)), None)
        )

    def from_keyring(self, url: str) -> Login | None:
        """Ask the keyring, if there is one; only after the origin refused, since it may ask the user."""
        from unearth.auth import get_keyring_auth  # noqa: PLC0415 - slow to import, seldom needed

        parts = urlsplit(url)
        index = next((index for index in self._indexes if _place(index) == _place(parts)), None)
        user = index.username if index else parts.username
        asked = ([index.geturl()] if index else []) + [parts.netloc.rpartition("@")[2]]
        found = next(filter(None, (get_keyring_auth(place, user) for place in asked)), None)
        return (found[0], found[1]) if found else None

    def _from_netrc(self, host: str) -> Login | None:
        entry = self._netrc.authenticators(host) if self._netrc else None
        return (entry[0], entry[2] or "") if entry else None


def _embedded(parts: SplitResult) -> Login | None:
    if parts.username is None or parts.password is None:
        return None
    return unquote(parts.username), unquote(parts.password)


def _name_alone(parts: SplitResult) -> Login | None:
    return (unquote(parts.username), "") if parts.username else None


def _place(parts: SplitResult) -> tuple[str, str | None, int | None]:
    with suppress(ValueError):
        return parts.scheme, parts.hostname, parts.port
    return parts.scheme, parts.netloc, None  # its port is none: who asks there is told so


def _read_netrc() -> netrc.netrc | None:
    path = at_home(os.environ.get("NETRC") or "~/.netrc")
    try:
        return netrc.netrc(path)
    except (OSError, ValueError, netrc.NetrcParseError):
        return None
