"""One client of the origins for several runs of a process: the same connections, logins and pages, each its own end.

A run that cannot go on closes its client, which breaks off whatever it fetches. Of several runs the others go on: each
has a client of its own here, over connections that they share. A page of an index is asked for once for all of them.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import suppress

from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.origins.answers import Page
from ascend_wheelhouse.origins.http import Http

_Asked = tuple[str, str]


class SharedHttp:
    """What the clients of several runs have in common.

    Args:
        http: The client whose settings and connections they have; nothing else is to use it.
    """

    def __init__(self, http: Http | None = None) -> None:
        self._http = http or Http()
        self._pages: dict[_Asked, Future[Page]] = {}
        self._guard = threading.Lock()
        self._clients: list[Http] = []

    def client(self) -> Http:
        """Return a client for one run; it can be closed without an end to the others, and is after `close`."""
        one = _Client(self._http, self)
        with self._guard:
            self._clients.append(one)
            closed = self._http.stop.is_set()
        if closed:
            one.close()
        return one

    def close(self) -> None:
        """End every run's client."""
        self._http.stop.set()
        with self._guard:
            clients = list(self._clients)
        for one in clients:
            one.close()
        self._http.close()

    def page(self, client: _Client, url: str, accept: str) -> Page:
        """Return a page, asked for by the first run that wants it; what failed is asked for again by the next."""
        key = url, accept
        while True:
            with self._guard:
                first = key not in self._pages
                future = self._pages.setdefault(key, Future())
            if first:
                return self._asked(client, key, future)
            with suppress(WheelhouseError):  # that run was stopped, or the origin did not answer it
                return future.result()

    def _asked(self, client: _Client, key: _Asked, future: Future[Page]) -> Page:
        try:
            page = client.own_page(*key)
        except BaseException as error:
            with self._guard:
                self._pages.pop(key, None)
            known = isinstance(error, WheelhouseError)
            future.set_exception(
                error if known else WheelhouseError(f"{key[0]} was not asked for to the end.")
            )
            raise
        future.set_result(page)
        return page


class _Client(Http):
    """One run's client: `stop` and the bodies that it reads are its own."""

    def __init__(self, common: Http, shared: SharedHttp) -> None:
        vars(self).update(vars(common))
        self.stop = threading.Event()
        self._open = set()
        self._shared = shared

    def page(self, url: str, *, accept: str = "*/*") -> Page:
        """Return a small document whole, from what another run was given where one was."""
        return self._shared.page(self, url, accept)

    def own_page(self, url: str, accept: str) -> Page:
        """Return a small document that this client asks for itself."""
        return super().page(url, accept=accept)

    def close(self) -> None:
        """Stop waiting and break off every body that this run reads; the connections stay for the others."""
        self.stop.set()
        with self._guard:
            responses = list(self._open)
        for response in responses:
            with suppress(ValueError, RuntimeError, OSError):
                response.shutdown()
