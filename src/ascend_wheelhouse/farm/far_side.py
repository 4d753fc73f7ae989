"""What `--workers ssh` starts on a host: it says who it is, is told over ssh what to be, and ends with the connection.

Its order comes on standard input: what is in it, the key of the run's certificate above all, stands in no command line,
in no environment, and in no file that lasts. Little is imported before the greeting, so that a Python or an
installation that does not fit can say so.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from ascend_wheelhouse.farm.identity import facts

if TYPE_CHECKING:
    from distributed import Nanny, Scheduler

_T = TypeVar("_T")
MARK = "ascend-wheelhouse: "
"""Before each line of ours: a login shell may print lines of its own."""
PRELOAD = "ascend_wheelhouse.farm.preload"
_CALL_SECONDS = 15.0
_CLOSE_SECONDS = 20
_SILENT_SECONDS = 120.0
# without it each would answer HTTP on the network, dashboard or not
_UNSEEN = "127.0.0.1:0"


def main() -> None:
    """Greet, read the order, and serve until standard input ends."""
    _say(facts())
    line = sys.stdin.buffer.readline()
    if line:
        asyncio.run(_serve(json.loads(line)))


def _say(told: dict[str, str]) -> None:
    sys.stdout.write(f"{MARK}{json.dumps(told)}\n")
    sys.stdout.flush()


def _address() -> str | None:
    """Return the address of this host at which ssh was reached: the others have a way to that one."""
    words = os.environ.get("SSH_CONNECTION", "").split()
    return words[2] if len(words) == 4 else None  # noqa: PLR2004 - sshd(8): both sides' addresses and ports


async def _serve(order: dict[str, Any]) -> None:
    """Be a scheduler or a worker until the master is gone."""
    from ascend_wheelhouse.base.errors import WheelhouseError
    from ascend_wheelhouse.base.scratch import scratch
    from ascend_wheelhouse.farm.connection import quieten

    os.environ.update(order["environment"])
    over = _end()
    try:
        with scratch() as folder:
            tempfile.tempdir = str(folder)  # Dask writes a key there for as long as OpenSSL reads it
            server = await _unless(over, _server(order, str(folder)))
            if server is None:
                return
            quieten()
            try:
                started = asyncio.ensure_future(_started(server))
                await asyncio.wait([started, over], return_when=asyncio.FIRST_COMPLETED)
                if started.done():
                    started.result()
                    _say({"address": str(server.address)})
                    ends = [over, asyncio.ensure_future(_finished(server))]
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                signal.alarm(_CLOSE_SECONDS)  # whatever hangs, nothing stays
                with suppress(OSError, TimeoutError):
                    await server.close()
    except (WheelhouseError, OSError, RuntimeError) as error:
        said = getattr(error, "what", "") or str(error) or type(error).__name__
        with suppress(OSError):
            _say({"error": " ".join(said.split())})


async def _unless(over: asyncio.Future[None], doing: Coroutine[Any, Any, _T]) -> _T | None:
    """Return what something gives, None once this process shall end: that is not waited for then."""
    task = asyncio.ensure_future(doing)
    ends: list[asyncio.Future[Any]] = [task, over]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        return task.result()
    signal.alarm(_CLOSE_SECONDS)  # whatever hangs, nothing stays
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return None


def _end() -> asyncio.Future[None]:
    """Return what is done once standard input ends or falls silent, or somebody wants this process to end.

    The master says something every few seconds: one whose power fails, or whose network, does not end the connection.
    """
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def end() -> None:
        if not over.done():
            over.set_result(None)

    last = [loop.call_later(_SILENT_SECONDS, end)]

    def read() -> None:
        with suppress(OSError):
            if os.read(0, 1 << 12):
                last.pop().cancel()
                last.append(loop.call_later(_SILENT_SECONDS, end))
                return
        loop.remove_reader(0)
        end()

    loop.add_reader(0, read)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, end)
    return over


async def _server(order: dict[str, Any], folder: str) -> Scheduler | Nanny:
    """Return what is to be started.

    Raises:
        SchedulerUnreachableError: This host does not get through to the scheduler.
    """
    from distributed import Nanny, Scheduler

    from ascend_wheelhouse.farm.certificate import security_by
    from ascend_wheelhouse.farm.choice import FarmChoice
    from ascend_wheelhouse.farm.connection import reach

    security = security_by(order["certificate"])
    if order["role"] == "scheduler":
        return Scheduler(
            protocol="tls",
            host=_address(),
            port=0,
            security=security,
            dashboard=False,
            dashboard_address=_UNSEEN,
        )
    await reach(order["scheduler"], FarmChoice(own=security), _CALL_SECONDS, "worker")
    return Nanny(
        order["scheduler"],
        protocol="tls",
        host=_address(),
        name=order["name"],
        nthreads=order["builds"],
        preload=[PRELOAD],
        memory_limit=0,
        security=security,
        local_directory=folder,
        dashboard=False,
        dashboard_address=_UNSEEN,
    )


async def _started(server: Scheduler | Nanny) -> None:
    await server


async def _finished(server: Scheduler | Nanny) -> None:
    await server.finished()  # type: ignore[no-untyped-call]  # Dask's


if __name__ == "__main__":
    main()
