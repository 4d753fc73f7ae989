"""Debian's packages by suite, asked through `apt`, which checks the archive's signature; nothing is installed.

`apt` works on a state folder of its own with an empty list of installed packages, so that all that a package depends on
is named too, for any machine. Where the archive is stands in this host's own configuration of apt, or in
`WHEELHOUSE_DEBIAN`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.base import process
from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.errors import HostUnfitError, SourceUnreachableError
from ascend_wheelhouse.node.scratch import scratch

VARIABLE = "WHEELHOUSE_DEBIAN"
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_SECONDS = 300
_URI = re.compile(r"'(?P<url>[^']+)' (?P<name>\S+) (?P<size>[0-9]{1,15}) SHA256:(?P<sha256>[0-9a-f]{64})")


class DebianUnknownError(HostUnfitError):
    """This host's apt is not there, or is configured for no Debian archive."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "A toolchain's packages cannot be looked up on this host.",
            why=why,
            next_step=f"set {VARIABLE} to the URL of a Debian archive: the folder that holds dists/ and pool/",
        )


class DebianUnreachableError(SourceUnreachableError):
    """apt could not read a suite, or the suite lacks a package."""


@dataclass(frozen=True, kw_only=True)
class DebianFile:
    """One package: the file, and its place below the archive's own folder."""

    artifact: Artifact
    place: str

    @property
    def package(self) -> str:
        """The package's name."""
        return self.artifact.filename.partition("_")[0]


def archive_url() -> str:
    """Return the URL of the Debian archive, without a slash at its end.

    Raises:
        DebianUnknownError: Nobody says where it is.
    """
    if named := os.environ.get(VARIABLE, "").strip():
        return named.rstrip("/")
    try:
        done = process.run(["apt-get", "indextargets", "--format", "$(ORIGIN) $(SITE)"], check=False)
    except HostUnfitError as error:
        raise DebianUnknownError(error.what) from error
    sites = [line.partition(" ")[2] for line in done.stdout.splitlines() if line.startswith("Debian ")]
    chosen = next((site for site in sites if not site.rstrip("/").endswith("-security")), None)
    if chosen is None:
        raise DebianUnknownError("apt is configured for no Debian archive.")
    return chosen.rstrip("/")


def find_packages(suite: str, architecture: str, packages: Sequence[str]) -> list[DebianFile]:
    """Return packages of a suite and all that they depend on, by name; recommendations are left out.

    Args:
        suite: Such as `trixie`.
        architecture: Such as `arm64`.
        packages: Their names.

    Raises:
        DebianUnknownError: Nobody says where the archive is, or there is no apt.
        DebianUnreachableError: The suite cannot be read, or lacks one of them.
    """
    base = archive_url()
    with scratch(prefix="aw-apt-") as folder:
        (folder / "sources.list").write_text(
            f"deb [signed-by={_KEYS}] {base} {suite} main\n", encoding="utf-8"
        )
        sources = [
            "-o",
            f"Dir::Etc::sourcelist={folder}/sources.list",
            "-o",
            "Dir::Etc::sourceparts=/dev/null",
        ]
        command = [*apt_command(folder, architecture), *sources]
        with _told(f"{suite} ({architecture})"):
            process.run([*command, "update"], env=apt_environment(), timeout=_SECONDS)
            done = process.run(
                [*command, "--print-uris", "install", *packages], env=apt_environment(), timeout=_SECONDS
            )
    return sorted(_files(done.stdout, base), key=lambda file: file.artifact.filename)


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except process.CommandFailedError as error:
        raise DebianUnreachableError(
            f"apt could not read {what} for a toolchain.",
            why=error.tail(),
            next_step="apt-get update on this host, and check that its archive serves that suite",
        ) from error


def _files(text: str, base: str) -> Iterator[DebianFile]:
    for match in _URI.finditer(text):
        # apt writes the colon of an epoch as %3a; the pool's own file names have no epoch.
        place = match["url"].removeprefix(f"{base}/")
        size, digest = int(match["size"]), match["sha256"]
        yield DebianFile(
            artifact=Artifact(filename=place.rpartition("/")[2], size=size, sha256=digest), place=place
        )


def apt_environment() -> dict[str, str]:
    """Return the environment that apt asks nothing in, and speaks English."""
    return {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}


def apt_command(folder: Path, architecture: str) -> list[str]:
    """Return how apt is called for an architecture, with nothing installed and all that it writes in a folder.

    Args:
        folder: An empty folder; what apt fetches comes into `cache/archives` of it.
        architecture: As Debian names it, such as `arm64`.
    """
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    settings = {
        "Dir::State": folder,
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Sandbox::User": "",
        "APT::Install-Recommends": "false",
        "Acquire::Languages": "none",
        "Acquire::ForceHash": "sha256",
        "Debug::NoLocking": "true",
    }
    return [
        "apt-get",
        "-q",
        "-y",
        *(word for key, value in settings.items() for word in ("-o", f"{key}={value}")),
    ]
