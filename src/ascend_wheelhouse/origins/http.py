"""The HTTP client of everything that asks the network: urllib3, with pip's certificates, proxies and credentials.

urllib3 was chosen by measurement (`benchmarks/http_clients.py`): beside httpx and requests it moves the most
bytes a second of CPU. Redirects and retries are walked here, not there, because each hop may need other
credentials, another proxy or a mirror, a broken body can go on where it stopped, and waiting must end at
once when the run is stopped. A `file://` URL, often a mirror, is served by the same client.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TypeVar
from urllib.parse import urljoin, urlsplit, urlunsplit

import urllib3
from urllib3.exceptions import HTTPError

from ascend_wheelhouse import __version__
from ascend_wheelhouse.base.clock import Clock, SystemClock
from ascend_wheelhouse.base.events import Emit, Note, silent
from ascend_wheelhouse.origins import faults
from ascend_wheelhouse.origins.answers import Head, Page, fault_of, head_of, raise_for_status, release, whole
from ascend_wheelhouse.origins.credentials import Credentials, Login
from ascend_wheelhouse.origins.local_file import local_file, local_head
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.origins.patience import Patience
from ascend_wheelhouse.origins.pip_config import PipConfig
from ascend_wheelhouse.origins.stream import Stream
from ascend_wheelhouse.origins.transport import is_trusted, new_manager, proxy_for

Result = TypeVar("Result")
Fields = tuple[tuple[str, str], ...]

_SCHEMES = {"http", "https", "file"}
_HOPS = 10
_REDIRECTS = {301, 302, 303, 307, 308}
_PRIVATE = {"authorization", "cookie"}
"""Header fields of a recipe that are for its own host alone."""


class Http:
    """A client of every origin. Threads may share it.

    Args:
        config: pip's settings.
        mirrors: Where URLs are redirected to.
        clock: For waiting between tries.
        connections: How many connections a host keeps open.
        tell: Told of long waits.
    """

    def __init__(
        self,
        config: PipConfig | None = None,
        mirrors: Mirrors | None = None,
        *,
        clock: Clock | None = None,
        connections: int = 24,
        tell: Emit = silent,
    ) -> None:
        self.config = config or PipConfig.read()
        self.mirrors = mirrors or Mirrors.read()
        self.stop = threading.Event()
        self.tell = tell
        self._clock = clock or SystemClock()
        self._connections = connections
        self._open: set[urllib3.BaseHTTPResponse] = set()
        self._managers: dict[tuple[str | None, bool, bool], urllib3.PoolManager] = {}
        self._logins: dict[tuple[str, str], Login] = {}
        self._patience = Patience(self.config.retries)
        self._guard = threading.Lock()

    def page(self, url: str, *, accept: str = "*/*") -> Page:
        """Return a small document whole, tried again where that may help.

        Raises:
            OriginError: The origin did not give it.
        """
        return self.trying(lambda: self._page(url, accept))

    def post(self, url: str, body: bytes) -> Page:
        """Return the answer to a JSON document, tried again where that may help.

        Raises:
            OriginError: The origin did not give one.
        """
        place = self._place(url)
        if urlsplit(place).scheme == "file":
            raise faults.UnknownSchemeError(place, "a file answers no question")
        sent = {"Accept-Encoding": "gzip, deflate", "Content-Type": "application/json"}
        return self.trying(lambda: self._whole("POST", place, sent, body))

    def head(self, url: str, *, headers: Fields = ()) -> Head:
        """Return what the origin says of the file behind `url`; a signed URL may allow no HEAD request."""
        try:
            return self.trying(lambda: self._head(url, headers))
        except (faults.AccessDeniedError, faults.RefusedError):
            return self.trying(lambda: self._head_of_body(url, headers))

    def digest(self, url: str) -> tuple[str, int]:
        """Read the file behind `url` once and return its sha256 and size, where no index states them."""
        return self.trying(lambda: self._digest(url))

    @contextmanager
    def stream(
        self, url: str, *, offset: int = 0, end: int | None = None, validator: str = "", headers: Fields = ()
    ) -> Iterator[Stream]:
        """Open the file behind `url` at `offset`; one try, since only the reader knows where to go on.

        Args:
            url: What to fetch.
            offset: Bytes that are there already; the answer may start at 0 all the same, see `Head.start`.
            end: Where to stop, exclusive; at the file's end when None.
            validator: What `Head.validator` was when they came: if it has changed, the whole file is sent.
            headers: Further header fields.

        Raises:
            OriginError: The origin did not give it.
        """
        place = self._place(url)
        if urlsplit(place).scheme == "file":
            with local_file(place) as file:
                file.seek(offset)
                head = local_head(place, file, start=offset)
                yield Stream(
                    head, file, lambda error: faults.ConnectionBrokenError(place, str(error)), self._pause
                )
            return
        sent = {"Accept-Encoding": "identity", **dict(headers)}
        if offset or end is not None:
            sent["Range"] = f"bytes={offset}-{'' if end is None else end - 1}"
            if validator:
                sent["If-Range"] = validator
        with self._answer("GET", place, sent) as (final, response):
            yield Stream(
                head_of(final, response), response, lambda error: fault_of(final, error), self._pause
            )

    def trying(self, action: Callable[[], Result]) -> Result:
        """Run `action` until it succeeds, fails for good, or fails more often than `wait` allows."""
        for attempt in itertools.count():
            try:
                return action()
            except faults.OriginError as error:
                if not self.wait(attempt, error):
                    raise
        raise AssertionError

    def wait(self, attempt: int, fault: faults.OriginError) -> bool:
        """Wait before the next try as long as `Patience` says, and tell whether there should be one.

        Args:
            attempt: How many tries were repeated before.
            fault: Why the last one failed.
        """
        if not fault.transient or self.stop.is_set():
            return False
        if (seconds := self._patience.seconds(attempt, fault)) is None:
            return False
        if text := self._patience.text(fault, seconds, self._clock.monotonic()):
            self.tell(Note(text=text, level="warning"))
        self._clock.sleep(seconds, self.stop)
        return True

    def close(self) -> None:
        """Stop waiting and break off every open body; the client cannot be used afterwards."""
        self.stop.set()
        with self._guard:
            responses, managers = list(self._open), list(self._managers.values())
        for response in responses:
            with suppress(ValueError, RuntimeError, OSError):
                response.shutdown()
        for manager in managers:
            manager.clear()

    def _pause(self, seconds: float) -> float:
        """Wait, and return the time afterwards."""
        if seconds:
            self._clock.sleep(seconds, self.stop)
        return self._clock.monotonic()

    def _place(self, url: str, base: str = "") -> str:
        """Return where a URL is fetched, one that stands on a page of `base` where that is given."""
        try:
            place = self.mirrors.redirect(urljoin(base, url))
            scheme = urlsplit(place).scheme
        except ValueError as error:
            raise faults.UnknownSchemeError(url, str(error)) from error
        if scheme not in _SCHEMES:
            raise faults.UnknownSchemeError(url, f"its scheme is {scheme!r}")
        return place

    def _page(self, url: str, accept: str) -> Page:
        place = self._place(url)
        if urlsplit(place).scheme == "file":
            with local_file(place) as file:
                kind = "text/html" if file.name.endswith(".html") else "application/octet-stream"
                return Page(url=place, content_type=kind, content=file.read())
        return self._whole("GET", place, {"Accept": accept, "Accept-Encoding": "gzip, deflate"})

    def _whole(self, method: str, place: str, headers: dict[str, str], body: bytes | None = None) -> Page:
        with self._answer(method, place, headers, body) as (final, response):
            try:
                content = whole(final, response)
            except (HTTPError, OSError) as error:
                raise fault_of(final, error) from error
            return Page(url=final, content_type=response.headers.get("Content-Type", ""), content=content)

    def _head_of_body(self, url: str, headers: Fields) -> Head:
        with self.stream(url, headers=headers) as stream:
            return stream.head

    def _digest(self, url: str) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        with self.stream(url) as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
                size += len(chunk)
            if stream.head.size not in {None, size}:
                raise faults.ConnectionBrokenError(url, f"ended after {size} of {stream.head.size} bytes")
        return digest.hexdigest(), size

    def _head(self, url: str, headers: Fields) -> Head:
        place = self._place(url)
        if urlsplit(place).scheme == "file":
            with local_file(place) as file:
                return local_head(place, file)
        sent = {"Accept-Encoding": "identity", **dict(headers)}
        with self._answer("HEAD", place, sent) as (final, response):
            return head_of(final, response)

    @contextmanager
    def _answer(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None = None
    ) -> Iterator[tuple[str, urllib3.BaseHTTPResponse]]:
        final, response = self._follow(method, url, headers, body)
        with self._guard:
            self._open.add(response)
        try:
            self._go_on(final)  # it was not among those that are broken off where the stop came just before
            yield final, response
        finally:
            with self._guard:
                self._open.discard(response)
            release(response)

    def _follow(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None
    ) -> tuple[str, urllib3.BaseHTTPResponse]:
        place = url
        for _ in range(_HOPS):
            response = self._authorised(method, place, headers, body)
            if response.status not in _REDIRECTS:
                raise_for_status(place, response, now=self._clock.wall())
                return place, response
            target = response.headers.get("Location", "")
            release(response)
            if not target:
                raise faults.RedirectError(place, f"status {response.status} without a Location")
            before, place = place, self._place(target, place)
            if urlsplit(place).scheme == "file":
                raise faults.RedirectError(url, f"redirected to {faults.redacted(place)}")
            if self._is_downgrade(before, target, place):
                raise faults.InsecureRedirectError(url, f"redirected to {faults.redacted(place)}")
            if urlsplit(place)[:2] != urlsplit(before)[:2]:
                headers = {name: text for name, text in headers.items() if name.lower() not in _PRIVATE}
        raise faults.RedirectError(url, f"more than {_HOPS} redirects, last to {faults.redacted(place)}")

    def _is_downgrade(self, before: str, target: str, place: str) -> bool:
        """Tell whether a hop leads from HTTPS to plain HTTP, to where neither a mirror nor a trusted host was named."""
        if (urlsplit(before).scheme, urlsplit(place).scheme) != ("https", "http"):
            return False
        return place == urljoin(before, target) and not is_trusted(place, self.config)

    def _authorised(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None
    ) -> urllib3.BaseHTTPResponse:
        parts = urlsplit(url)
        host = parts.scheme, parts.netloc.rpartition("@")[2]
        login = self._logins.get(host) or self._credentials.known(url)
        response = self._request(method, url, headers, login, body)
        if response.status != 401:  # noqa: PLR2004 - HTTP's own number
            return response
        found = self._credentials.from_keyring(url)
        if found is None or found == login:
            return response
        release(response)
        self._logins[host] = found
        return self._request(method, url, headers, found, body)

    def _request(
        self, method: str, url: str, headers: dict[str, str], login: Login | None, body: bytes | None
    ) -> urllib3.BaseHTTPResponse:
        self._go_on(url)
        parts = urlsplit(url)
        bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
        sent = {"User-Agent": f"ascend-wheelhouse/{__version__}", **headers}
        if login is not None:
            sent |= urllib3.make_headers(basic_auth=":".join(login))
        try:
            return self._manager(bare).request(
                method,
                bare,
                body=body,
                headers=sent,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
        except (HTTPError, OSError) as error:
            raise fault_of(url, error) from error

    def _go_on(self, url: str) -> None:
        if self.stop.is_set():
            raise faults.ConnectionBrokenError(url, "stopped")

    @cached_property
    def _credentials(self) -> Credentials:
        indexes = () if self.config.no_index else (self.config.index_url or "", *self.config.extra_index_urls)
        return Credentials(filter(None, (*indexes, *self.mirrors.prefixes.values())))

    def _manager(self, url: str) -> urllib3.PoolManager:
        proxy = proxy_for(url, self.config)
        secure = url.startswith("https:") or (proxy or "").startswith("https:")
        key = (proxy, not is_trusted(url, self.config), secure)
        with self._guard:
            if key not in self._managers:
                self._managers[key] = new_manager(
                    self.config, proxy=proxy, verify=key[1], secure=secure, connections=self._connections
                )
            return self._managers[key]
