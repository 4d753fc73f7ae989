"""Which farm a run builds on, as the command line says it; light to import."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from ascend_wheelhouse.farm.errors import FarmChoiceError

if TYPE_CHECKING:
    from distributed.security import Security

WorkersKind = Literal["slurm", "ssh", "local"]
_MOST_WORKERS = 10_000
_DIGITS = 9
"""Digits of a number that are read: one with more of them is beyond every bound here."""
_HAS_PASSPHRASE = re.compile(
    rb"^-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: *4,ENCRYPTED", re.MULTILINE
)
"""RFC 7468 (11) and RFC 1421 (4.6.1.1) on what stands above a key that is encrypted."""
_LONGEST_PEM = 1 << 20
_KINDS: tuple[WorkersKind, ...] = get_args(WorkersKind)


@dataclass(frozen=True, kw_only=True)
class FarmChoice:
    """Where builds go; nowhere but this process when nothing is chosen.

    Args:
        scheduler: The address of a scheduler that runs.
        workers: Start workers of this kind instead.
        hosts: The hosts of `ssh`.
        count: How many workers `slurm` and `local` start.
        ca: A file with the authority that the farm's certificates are held to (TLS).
        cert: This host's certificate.
        key: Its key.
        own: The certificates of workers that this run has started, made for it alone.
    """

    scheduler: str = ""
    workers: WorkersKind | None = None
    hosts: tuple[str, ...] = ()
    count: int = 1
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    own: Security | None = None

    def __bool__(self) -> bool:
        return bool(self.scheduler or self.workers)


def farm_choice(
    *, scheduler: str, workers: str, worker_hosts: str, worker_count: str, tls: tuple[str, str, str]
) -> FarmChoice:
    """Return what the words of the command line choose.

    Raises:
        FarmChoiceError: They contradict each other, or lack something; all of it is told.
    """
    ca, cert, key = (Path(text) if text else None for text in tls)
    hosts = tuple(host.strip() for host in worker_hosts.split(",") if host.strip())
    kind = next((one for one in _KINDS if one == workers), None)
    count = int(worker_count[:_DIGITS]) if worker_count.isascii() and worker_count.isdigit() else 0
    problems = [
        *(_about_address(scheduler) if scheduler else []),
        *([f"--workers {workers!r} is none of {', '.join(_KINDS)}"] if workers and kind is None else []),
        *(["--scheduler and --workers exclude each other"] if scheduler and workers else []),
        *(["--workers ssh needs --worker-hosts"] if kind == "ssh" and not hosts else []),
        *(["--worker-hosts belongs to --workers ssh"] if hosts and kind != "ssh" else []),
        *(
            [f"--worker-count is no number from 1 to {_MOST_WORKERS}"]
            if worker_count and not 1 <= count <= _MOST_WORKERS
            else []
        ),
        *(
            ["--worker-count belongs to --workers slurm or local"]
            if worker_count and kind in {None, "ssh"}
            else []
        ),
        *_about_tls(scheduler, ca, cert, key),
    ]
    if problems:
        raise FarmChoiceError(
            f"The farm's options do not fit: {'; '.join(problems)}.",
            next_step="correct them, or leave them out to build on this host",
        )
    return FarmChoice(
        scheduler=scheduler, workers=kind, hosts=hosts, count=count or 1, ca=ca, cert=cert, key=key
    )


def _about_address(address: str) -> list[str]:
    protocol, colons, place = address.partition("://")
    host, _, port = place.rpartition(":")
    if not colons or protocol not in {"tcp", "tls"}:
        return [f"--scheduler {address!r} does not begin with tcp:// or tls://"]
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port[:_DIGITS]) < 1 << 16):
        return [f"--scheduler {address!r} names no host and port"]
    return []


def _about_tls(scheduler: str, *files: Path | None) -> list[str]:
    names = ("--tls-ca", "--tls-cert", "--tls-key")
    given = [name for name, path in zip(names, files, strict=True) if path]
    lacking = [name for name in names if name not in given] if given else []
    unread = [
        f"{name}: there is no file {path}"
        for name, path in zip(names, files, strict=True)
        if path and not path.is_file()
    ]
    return [
        *([f"{', '.join(given)} without {', '.join(lacking)}"] if lacking else []),
        *(
            ["TLS files need a --scheduler that begins with tls://"]
            if given and not scheduler.startswith("tls://")
            else []
        ),
        *unread,
        *_about_key(files[-1]),
    ]


def _about_key(key: Path | None) -> list[str]:
    """Return what is wrong with a key that asks for a passphrase: OpenSSL would ask at each connection."""
    if key is None or not key.is_file():
        return []
    try:
        with key.open("rb") as file:
            text = file.read(_LONGEST_PEM)
    except OSError as error:
        return [f"--tls-key: {key}: {error.strerror}"]
    if not _HAS_PASSPHRASE.search(text):
        return []
    plain = shlex.join(("openssl", "pkey", "-in", str(key), "-out", f"{key}.plain"))
    return [
        f"--tls-key: {key} has a passphrase, and nobody can be asked for it (`{plain}` writes it without)"
    ]
