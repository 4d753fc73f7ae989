"""Where a cache is: its URL taken apart, and shown without what is secret in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.places import at_home

_S3_OPTIONS = {"endpoint", "region", "profile", "anon"}
_ANON = {"1", "true", "0", "false"}
_REGION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_SCHEMES = ("s3", "file", "http", "https", "sftp", "ssh")
_FORMS = "s3://BUCKET/PREFIX, file:///FOLDER, https://HOST/PATH or sftp://USER@HOST/FOLDER"
_HIDDEN = "***"
_SHORTEST_SECRET = 4
"""What is shorter than any secret is part of every other word."""


class CacheUrlError(UsageError):
    """What was given as a cache is no URL of one."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """A cache's place.

    Args:
        scheme: `s3`, `file`, `http`, `https` or `sftp`.
        host: The bucket of `s3`, the host of the others, without a login.
        port: Its port, None for the usual one.
        path: Folder or prefix, without a slash at its end.
        user: Of the login, empty where there is none.
        password: Of the login.
        options: What stands behind the question mark.
    """

    scheme: str
    host: str = ""
    port: int | None = None
    path: str = ""
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """The URL without login and options."""
        host = f"[{self.host}]" if ":" in self.host and self.scheme != "s3" else self.host  # of IPv6
        port = f":{self.port}" if self.port else ""
        return f"{self.scheme}://{host}{port}{self.path}"

    @property
    def kept(self) -> str:
        """What tells this place from others in a file that is kept: a digest, of nothing that a login has."""
        told = "&".join(
            f"{name}={self.options[name]}" for name in ("endpoint", "region") if name in self.options
        )
        return hashlib.sha256(f"{self.shown}?{told}".encode()).hexdigest()

    def scrubbed(self, text: str) -> str:
        """Return a text that a library wrote, without what is secret in this address."""
        for secret in (self.password, self.user if self.scheme == "s3" else ""):
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, _HIDDEN)
        return text

    @classmethod
    def of(cls, url: str) -> Address:
        """Return the address that a URL, or the path of a folder, stands for.

        Raises:
            CacheUrlError: It is neither.
        """
        if url.startswith(("/", "~", ".")):
            return cls(scheme="file", path=str(at_home(url).absolute()))
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise _no_url(url.rpartition("@")[2].partition("?")[0], "it cannot be read as a URL") from None
        _require_whole(url, parts)
        scheme = "sftp" if parts.scheme == "ssh" else parts.scheme
        found = cls(
            scheme=scheme,
            host=(parts.netloc.rpartition("@")[2] if scheme == "s3" else parts.hostname) or "",
            port=None if scheme == "s3" else port,
            path=parts.path.rstrip("/") if scheme in {"s3", "http", "https"} else unquote(parts.path),
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            options=dict(parse_qsl(parts.query, keep_blank_values=True)),
        )
        if parts.scheme not in _SCHEMES:
            if not parts.scheme:
                raise _no_url("it", "it has no scheme, and the path of a folder begins with /, ~ or ./")
            raise _no_url(found.shown, f"its scheme is {parts.scheme!r}")
        found._require()
        return found

    def _require(self) -> None:
        known = _S3_OPTIONS if self.scheme == "s3" else set()
        if unknown := sorted(set(self.options) - known):
            raise _no_url(self.shown, f"no cache there takes the option {unknown[0]!r}")
        if any("\0" in part for part in (self.path, self.user, self.password)):
            raise _no_url(self.shown, "it holds the character NUL (%00), which no path and no login has")
        if self.scheme == "file":
            if self.host not in {"", "localhost"} or not self.path.startswith("/"):
                raise _no_url(self.shown, "a folder's URL has three slashes before its path")
        elif self.scheme == "s3":
            self._require_s3()
        elif not self.host:
            raise _no_url(self.shown, "it names no host")
        elif self.scheme == "sftp" and not self.path.strip("/"):
            raise _no_url(self.shown, "it names no folder")

    def _require_s3(self) -> None:
        if not self.host:
            raise _no_url(self.shown, "it names no bucket")
        if "endpoint" in self.options and not _is_endpoint(self.options["endpoint"]):
            raise _no_url(self.shown, "its endpoint is no URL: it begins with https:// or http://")
        if (region := self.options.get("region")) and not _REGION.fullmatch(region):
            raise _no_url(self.shown, "its region is none")
        if self.options.get("anon", "0") not in _ANON:
            raise _no_url(self.shown, "anon is 1 or 0")


def _require_whole(url: str, parts: SplitResult) -> None:
    """Refuse a URL that is taken apart in another place than its writer meant: nothing of it is shown then.

    A login ends at the first /, ? or # there: what comes after it would pass for a folder, and be shown.
    """
    s3, port = parts.scheme == "s3", ":" in parts.netloc
    path = parts.path if parts.netloc.endswith(":") or (s3 and port) else ""
    query = parts.query if port or not s3 else ""  # an endpoint may have a login of its own
    if "@" not in parts.netloc and "@" in path + query + parts.fragment:
        raise _no_url("it", "in a login /, ? and # are written %2F, %3F and %23, and an @ elsewhere %40")
    if "#" in url:
        raise _no_url(
            "it", "it holds a #, which no bucket's prefix has here; in the path of another URL it is %23"
        )


def _is_endpoint(url: str) -> bool:
    """Tell whether the client of S3 takes an endpoint; an empty one is that of AWS."""
    try:
        parts = urlsplit(url)
        return not url or (parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0)
    except ValueError:
        return False


def _no_url(shown: str, why: str) -> CacheUrlError:
    return CacheUrlError(
        f"{shown} is no cache: {why}.", why=f"A cache is {_FORMS}.", next_step="correct --cache"
    )
