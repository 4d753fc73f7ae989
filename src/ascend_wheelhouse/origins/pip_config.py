"""What the user already told pip: indexes, find-links, certificates, proxy, patience.

Read the way that pip documents it (pip user guide, "Configuration"): global, user and site files, then the
file that `PIP_CONFIG_FILE` names, then `PIP_*` variables; in each file a command's section beats `[global]`.
Reading the files here takes a millisecond where `pip config list` takes half a second. The default index is
the finder library's own.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import platformdirs

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.places import at_home

_LARGEST = 1_000_000
_SECTIONS = ("global", "install", "download")
_TRUE = {"1", "true", "yes", "on", "y", "t"}


class PipConfigError(UsageError):
    """pip's configuration cannot be read, or holds a value that pip would refuse."""


@dataclass(frozen=True, kw_only=True)
class PipConfig:
    """pip's settings that concern the network.

    Args:
        index_url: The main index; None stands for the public default, unless `no_index`.
        extra_index_urls: Further indexes, in order.
        find_links: Folders, files or pages with links to distributions, in order.
        trusted_hosts: `host` or `host:port`, for which neither HTTPS nor a valid certificate is asked.
        cert: A bundle of certification authorities; the system's when None.
        client_cert: A file with the client's key and certificate.
        proxy: A proxy for every request; that of the environment (`HTTPS_PROXY` ...) when None.
        timeout: Seconds without a byte until a connection counts as stalled.
        retries: How often a request is tried again.
        no_index: Use `find_links` alone.
    """

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    cert: Path | None = None
    client_cert: Path | None = None
    proxy: str | None = None
    timeout: float = 15.0
    retries: int = 5
    no_index: bool = False

    @classmethod
    def read(
        cls, environ: Mapping[str, str] | None = None, *, files: Iterable[Path] | None = None
    ) -> PipConfig:
        """Read pip's files and environment.

        Args:
            environ: The environment; this process's own when None.
            files: The files, the weakest first; those that pip reads when None.

        Raises:
            PipConfigError: A file is not in pip's format, a number is none, or an index is no URL and no folder.
        """
        env = os.environ if environ is None else environ
        values = _merged(env, _files(env) if files is None else files)
        return cls(
            index_url=_index("index-url", values["index-url"]) if "index-url" in values else None,
            extra_index_urls=tuple(
                _index("extra-index-url", place) for place in _present(values.get("extra-index-url", ""))
            ),
            find_links=_present(values.get("find-links", "")),
            trusted_hosts=tuple(values.get("trusted-host", "").split()),
            cert=_path(values.get("cert") or env.get("REQUESTS_CA_BUNDLE") or env.get("CURL_CA_BUNDLE")),
            client_cert=_path(values.get("client-cert")),
            proxy=values.get("proxy"),
            timeout=_number("timeout", values.get("timeout", "15")),
            retries=int(_number("retries", values.get("retries", "5"))),
            no_index=values.get("no-index", "").lower() in _TRUE,
        )

    @property
    def index_urls(self) -> tuple[str, ...]:
        """Every index to ask, the main one first."""
        if self.no_index:
            return ()
        return (self.index_url or _default_index(), *self.extra_index_urls)


def _merged(environ: Mapping[str, str], files: Iterable[Path]) -> dict[str, str]:
    sections: dict[str, dict[str, str]] = {name: {} for name in _SECTIONS}
    for path in files:
        parser = _parsed(path)
        for name in _SECTIONS:
            if parser.has_section(name):
                sections[name].update({_key(key): value for key, value in parser.items(name)})
    merged: dict[str, str] = {}
    for name in _SECTIONS:
        merged |= sections[name]
    merged |= {
        _key(key[4:]): value for key, value in environ.items() if key.startswith("PIP_") and value.strip()
    }
    return {key: value.strip() for key, value in merged.items() if value.strip()}


def _key(name: str) -> str:
    """Return the name of a setting as pip takes it: `Index_Url` and `--index-url` are one, and so are two timeouts."""
    key = name.lower().replace("_", "-").removeprefix("--")
    return "timeout" if key == "default-timeout" else key


def _parsed(path: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise PipConfigError(
            f"pip's configuration file {path} cannot be read: {error}",
            next_step=f"correct {path}; `pip config debug` lists the files that pip reads",
        ) from error
    return parser


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    own = environ.get("PIP_CONFIG_FILE") or None
    if own == os.devnull:
        return
    folders = platformdirs.site_config_dir("pip", appauthor=False, multipath=True).split(os.pathsep)
    yield from (Path(folder) / "pip.conf" for folder in folders)  # as pip: the last one wins
    yield Path("/etc/pip.conf")
    if own is None or not Path(own).exists():
        yield at_home("~/.pip/pip.conf")
        with suppress(RuntimeError):  # nobody's home is known
            user = platformdirs.user_config_path("pip", appauthor=False, roaming=True)
            yield user / "pip.conf"
    yield Path(sys.prefix) / "pip.conf"
    if own is not None:
        yield Path(own)


def _present(value: str) -> tuple[str, ...]:
    """Split a list of places and drop folders that do not exist, as pip does, without a word."""
    return tuple(place for place in value.split() if _may_exist(place))


def _index(name: str, place: str) -> str:
    """Return the URL of an index; pip takes a folder, too."""
    with suppress(ValueError):
        parts = urlsplit(place)
        if parts.scheme and (place.startswith("file:") or ("://" in place and parts.port != 0)):
            return place
    if "://" not in place and at_home(place).is_dir():
        return at_home(place).absolute().as_uri()
    raise PipConfigError(
        f"pip's setting {name!r} names an index that is no URL and no folder.",
        why="It must begin with https:// or http://, or be a folder laid out like an index.",
        next_step=f"`pip config debug` shows where {name} is set; correct it there",
    )


def _may_exist(place: str) -> bool:
    if place.startswith("file:"):
        with suppress(ValueError, OSError):
            return Path(url2pathname(urlsplit(place).path)).exists()
        return False
    with suppress(OSError):  # a folder below one that this user may not enter
        return "://" in place or at_home(place).exists()
    return False


def _path(value: str | None) -> Path | None:
    return at_home(value) if value else None


def _number(name: str, value: str) -> float:
    with suppress(ValueError):
        if 0 <= (number := float(value)) <= _LARGEST:
            return number
    raise PipConfigError(
        f"pip's setting {name!r} is {value!r}, which is not a number.",
        why=f"It must be one from 0 to {_LARGEST}.",
        next_step=f"pip config set global.{name} 15",
    )


def _default_index() -> str:
    from pip._internal.models.index import PyPI  # noqa: PLC0415 - pip's own constant, needed here alone

    return PyPI.simple_url
