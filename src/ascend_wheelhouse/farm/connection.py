"""The connection to a scheduler: opened within seconds or told why not, and opened again where it was lost."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.process import stopping
from ascend_wheelhouse.farm.certificate import tls
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.farm.errors import (
    DaskMissingError,
    FarmSettingsError,
    SchedulerLostError,
    SchedulerUnreachableError,
    SchedulerUntrustedError,
)
from ascend_wheelhouse.farm.labels import Labels

if TYPE_CHECKING:
    from distributed import Client
    from distributed.security import Security

Role = Literal["client", "worker"]
CONNECT_SECONDS = 5.0
BACK_SECONDS = 60.0
_PAUSE = 0.5
_TALKATIVE = {"distributed", "asyncio", "tornado"}
AWAY = "the scheduler is away"
_CLOCK = SystemClock()
Workers = Mapping[str, tuple[str, Labels, int]]
"""By a worker's address its name, its labels, and how many builds it does side by side."""


def security_of(choice: FarmChoice) -> Security:
    """Return how the farm is spoken to: by the files of the command line, else by Dask's own configuration.

    Raises:
        FarmSettingsError: A file cannot be read.
    """
    from distributed.security import Security

    if choice.own is not None:
        return choice.own
    if choice.ca is None:
        return Security()
    return tls(str(choice.cert), str(choice.key), authority=str(choice.ca))


def connect(address: str, choice: FarmChoice, *, seconds: float = CONNECT_SECONDS) -> Client:
    """Open a connection.

    Raises:
        DaskMissingError: Dask is not installed.
        SchedulerUnreachableError: Nothing that speaks its protocol answers at the address, or nothing that is trusted.
        FarmSettingsError: The files for TLS cannot be used.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise DaskMissingError(str(error.name)) from error
    quieten()
    asyncio.run(reach(address, choice, seconds))
    try:
        return Client(
            address,
            security=security_of(choice),
            timeout=seconds,
            set_as_default=False,
            direct_to_workers=False,
        )
    except (OSError, TimeoutError) as error:
        raise SchedulerUnreachableError(address, _short(error)) from error
    except (ValueError, TypeError, RuntimeError) as error:
        raise _unfit(address, error) from error


async def reach(address: str, choice: FarmChoice, seconds: float, role: Role = "client") -> None:
    """See that a scheduler answers at an address, and that it and this host trust each other.

    Args:
        address: The scheduler's.
        choice: The files for TLS.
        seconds: How long it may take.
        role: For whom Dask's own configuration is read.

    Raises:
        SchedulerUnreachableError: Nothing that speaks Dask's protocol answers.
        SchedulerUntrustedError: One side's certificate is not of an authority that the other trusts.
        FarmSettingsError: The files for TLS cannot be used, or there are none.
    """
    from distributed.comm.core import CommClosedError

    secure = address.startswith("tls://")
    try:
        security = security_of(choice)
        if secure:
            _need_certificates(security, role)
    except (OSError, ValueError) as error:  # an `SSLError` is an `OSError`
        raise _unfit(address, error) from error
    try:
        await asyncio.wait_for(_ask_who(address, security, seconds, role), seconds + 1)
    except CommClosedError as error:
        if secure:  # the connection was there, and one side ended it when it saw the other's certificate
            raise SchedulerUntrustedError(address, _short(error.__cause__ or error)) from error
        raise SchedulerUnreachableError(address, _short(error)) from error
    except (OSError, TimeoutError) as error:
        raise SchedulerUnreachableError(address, _short(error)) from error
    except ValueError as error:  # what does not speak TLS has said something first
        raise SchedulerUnreachableError(address, f"TLS does not begin: {_short(error)}") from error


def _need_certificates(security: Security, role: Role) -> None:
    """Read the files for TLS.

    Raises:
        OSError: One cannot be read, or is of another kind.
        ValueError: There are none.
    """
    if security.get_connection_args(role)["ssl_context"] is None:
        msg = "neither the options nor Dask's configuration name an authority, a certificate and its key"
        raise ValueError(msg)


def _unfit(address: str, error: Exception) -> FarmSettingsError:
    return FarmSettingsError(
        f"The connection to {address} cannot be made: {_short(error)}.",
        why="Dask's configuration, or the files for TLS, do not fit the address.",
        next_step="give --tls-ca, --tls-cert and --tls-key files in PEM: `openssl x509 -noout -in FILE` reads one",
    )


async def _ask_who(address: str, security: Security, seconds: float, role: Role) -> None:
    """Ask once, with an end: `Client` waits for ever for somebody who takes the call and says nothing."""
    from distributed.comm.core import connect as call

    comm = await call(address, timeout=seconds, **security.get_connection_args(role))
    try:
        await comm.write({"op": "identity", "reply": True})
        found = await comm.read()
    finally:
        comm.abort()
    if not isinstance(found, dict) or found.get("type") != "Scheduler":
        raise OSError("what answers there is no scheduler of Dask")


def connect_again(address: str, choice: FarmChoice) -> Client:
    """Open a connection that was lost, as soon as the scheduler is back.

    Raises:
        SchedulerLostError: It was not back in time.
        SchedulerUntrustedError: It is back, and one side refuses the other's certificate.
        KeyboardInterrupt: The user wants the run to end.
    """
    until, last = _CLOCK.monotonic() + BACK_SECONDS, None
    while _CLOCK.monotonic() < until:
        if stopping():
            raise KeyboardInterrupt
        try:
            return connect(address, choice, seconds=_PAUSE * 4)
        except SchedulerUnreachableError as error:
            last = error  # one that is about to end, or to begin, refuses for a while
            time.sleep(_PAUSE)
    if isinstance(last, SchedulerUntrustedError):
        raise last
    raise SchedulerLostError(address, BACK_SECONDS, ours=choice.own is not None)


def quieten() -> None:
    """Keep Dask's own log lines off the terminal, once it is imported: what they tell is told by events and errors."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in _TALKATIVE]
    for name in {*names, *_TALKATIVE}:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def lost_errors() -> tuple[type[Exception], ...]:
    """Return what Dask raises where the scheduler is away, or where it closed a connection for that reason."""
    from distributed.client import ClosedClientError

    return OSError, ClosedClientError


def workers_of(client: Client) -> Workers:
    """Return each worker.

    Workers with the same labels share one `Labels`: a farm has many workers of few kinds. The scheduler is asked anew:
    what `Client.scheduler_info` tells while it is away is old, or has no workers at all.

    Raises:
        OSError: The scheduler is away.
    """
    scheduler = client.scheduler
    if client.status != "running" or scheduler is None:
        raise ConnectionError(AWAY)
    try:
        found = client.sync(scheduler.identity, n_workers=-1)["workers"]
    except RuntimeError as error:  # the loop of a client that was closed meanwhile
        raise ConnectionError(AWAY) from error
    kinds = {frozenset(row["resources"].items()): row["resources"] for row in found.values()}
    labels = {kind: Labels.of_resources(resources) for kind, resources in kinds.items()}
    return {
        address: (str(row["name"]), labels[frozenset(row["resources"].items())], int(row["nthreads"]))
        for address, row in found.items()
    }


def is_open_to_others(address: str) -> bool:
    """Tell whether an address is without TLS and not of this host alone."""
    protocol, _, place = address.partition("://")
    host = place.rpartition(":")[0].strip("[]")
    if protocol == "tls" or host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:300].rstrip(".")
