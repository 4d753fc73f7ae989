"""A cache behind a web server, for reading alone: any mirror of another cache's objects will do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from ascend_wheelhouse.origins import faults
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.shared_cache.address import Address
from ascend_wheelhouse.shared_cache.remote import LARGEST_TEXT, RemoteRefusedError, Stored, UnavailableError


class NotForWritingError(RemoteRefusedError):
    """A web server takes nothing."""


class HttpRemote:
    """What a web server serves.

    Args:
        address: Where.
        http: The client.
    """

    writable: ClassVar[bool] = False

    def __init__(self, address: Address, http: Http) -> None:
        self.shown = address.shown
        login = f"{quote(address.user, safe='')}:{quote(address.password, safe='')}@"
        self._base = self.shown.replace("://", f"://{login}" if login != ":@" else "://", 1)
        self._http = http

    def read(self, name: str) -> bytes | None:
        """Return a small object; None where there is none."""
        with _telling():
            try:
                return self._http.trying(lambda: self._read(name))
            except faults.NotFoundError:
                return None

    def _read(self, name: str) -> bytes:
        content = b""
        with self._http.stream(self.url(name)) as stream:
            while len(content) < LARGEST_TEXT and (chunk := stream.read(LARGEST_TEXT - len(content))):
                content += chunk
            if stream.head.size is not None and len(content) < min(stream.head.size, LARGEST_TEXT):
                raise faults.ConnectionBrokenError(self.shown, f"ended after {len(content)} bytes")
        return content

    def stat(self, name: str) -> Stored | None:
        """Return what there is of a name; None where there is nothing. Its age is not known."""
        with _telling():
            try:
                head = self._http.head(self.url(name))
            except faults.NotFoundError:
                return None
        return Stored(name=name, size=head.size or 0, modified=0)

    def url(self, name: str) -> str:
        """Return the object's URL, login and all."""
        return f"{self._base}/{quote(name)}"

    def copy(self, name: str, offset: int) -> Iterator[bytes] | None:
        """Do nothing: the URL is enough."""
        raise NotImplementedError

    def write(self, name: str, content: bytes, *, replace: bool) -> bool:
        """Refuse."""
        del content, replace
        raise NotForWritingError(f"{name} cannot be written through a web server")

    def upload(self, name: str, source: Path) -> None:
        """Refuse."""
        del source
        raise NotForWritingError(f"{name} cannot be written through a web server")

    def refresh(self, name: str) -> None:
        """Refuse."""
        raise NotForWritingError(f"{name} cannot be written through a web server")

    def listing(self, folder: str) -> Iterator[Stored]:
        """Refuse: web servers list nothing that a program can rely on."""
        raise NotForWritingError(f"{folder} cannot be listed through a web server")

    def remove(self, names: Sequence[str]) -> None:
        """Refuse."""
        raise NotForWritingError(f"{len(names)} objects cannot be removed through a web server")

    def drop_unfinished(self, before: float) -> None:
        """Do nothing."""


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except faults.AccessDeniedError as error:
        raise RemoteRefusedError(error.what) from error
    except faults.OriginError as error:
        raise UnavailableError(error.what) from error
