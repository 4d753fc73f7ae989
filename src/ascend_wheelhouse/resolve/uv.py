"""`uv pip compile`: knows foreign platforms itself, and answers in a second or two.

uv does not read pip's configuration, so it is given the same indexes, folders and certificates by option. A
name that is excluded is overridden with a marker that never holds; a closed name is bound to the wheel that was
imported, or to a version that cannot exist. uv takes every index as equal
(`unsafe-best-match`), as pip does.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import uv

from ascend_wheelhouse.base.places import made_cache
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.origins.pip_config import PipConfig
from ascend_wheelhouse.resolve.errors import CLOSED_MARK
from ascend_wheelhouse.resolve.found import find_files
from ascend_wheelhouse.resolve.request import Resolution, ResolveRequest
from ascend_wheelhouse.resolve.tool import (
    ANSWER,
    CONSTRAINTS,
    REQUIREMENTS,
    answer,
    link_of,
    local_wheels,
    question,
    write_lines,
)

_OVERRIDES = "overrides.in"


@dataclass(frozen=True, kw_only=True)
class UvResolver:
    """`uv pip compile --python-platform` of this environment.

    Args:
        config: pip's configuration; read from pip when None.
    """

    config: PipConfig | None = field(default=None)
    name: str = field(default="uv", init=False)

    def resolve(self, request: ResolveRequest) -> Resolution:
        """Return the pins that uv chooses; see `Resolver.resolve`."""
        config = self.config or PipConfig.read()
        if not os.environ.keys() & {"UV_CACHE_DIR", "UV_NO_CACHE"}:
            made_cache(program="uv")
        with question(request) as folder:
            wheels = local_wheels(request)
            excluded = [f"{name} ; sys_platform == 'never'" for name in sorted(request.excluded)]
            write_lines(folder / _OVERRIDES, excluded)
            write_lines(folder / CONSTRAINTS, (*request.bounds, *_closed(request, wheels)))
            places = _places(request, config)
            command = [*compile_command(request), *_options(config)]
            found = answer(self.name, command, folder, request, {**_environment(config), **places})
            if sum("://" in url and not url.startswith("file:") for url in config.index_urls) == 1:
                return replace(found, files=find_files(found.pins, command, places, folder, request.target))
            return found


def compile_command(request: ResolveRequest) -> list[str]:
    """Return uv's command line, without the options that say where packages come from."""
    major, minor = request.target.glibc
    command = [
        *(
            uv.find_uv_bin(),
            "pip",
            "compile",
            REQUIREMENTS,
            "--constraints",
            CONSTRAINTS,
            "--overrides",
            _OVERRIDES,
        ),
        *("--output-file", ANSWER, "--no-header", "--no-config", "--quiet", "--color", "never"),
        *("--python", sys.executable, "--python-version", request.target.markers["python_full_version"]),
        *("--python-platform", f"{request.target.machine}-manylinux_{major}_{minor}"),
        *("--only-binary", ":all:", "--prerelease", "if-necessary-or-explicit"),
        *("--index-strategy", "unsafe-best-match"),
    ]
    for name in request.allow_prerelease:
        command += ["--prerelease-package", f"{name}=allow"]
    if request.cutoff:
        command += ["--exclude-newer", request.cutoff.isoformat()]
    return command


def _closed(request: ResolveRequest, wheels: Mapping[str, Path]) -> Iterator[str]:
    """Yield what binds each closed name: to the imported wheel, or to a version that cannot exist.

    As constraints: an override would take the place of what others ask of it, and hide that they contradict it.
    """
    for name in sorted(request.closed_names - request.excluded):
        yield f"{name} @ {wheels[name].absolute().as_uri()}" if name in wheels else f"{name}=={CLOSED_MARK}"


def _places(request: ResolveRequest, config: PipConfig) -> dict[str, str]:
    """Return the variables that name indexes and folders: everybody on a host can read a login in a command line."""
    main, *others = map(Mirrors.read().redirect, config.index_urls or ("",))
    given = {
        "UV_DEFAULT_INDEX": main,
        "UV_INDEX": " ".join(others),
        "UV_FIND_LINKS": ",".join(_links(request, config)),
    }
    return {name: value for name, value in given.items() if value}


def _links(request: ResolveRequest, config: PipConfig) -> list[str]:
    pages = [page for index in request.extra_indexes for page in index.pages().values()]
    elsewhere = (*config.find_links, *map(Mirrors.read().redirect, pages))
    return [*map(link_of, request.find_links), *map(link_of, elsewhere)]


def _options(config: PipConfig) -> Iterator[str]:
    if not config.index_urls:
        yield "--no-index"
    for host in config.trusted_hosts:
        yield from ("--allow-insecure-host", host)
    if shutil.which("keyring"):
        yield from ("--keyring-provider", "subprocess")


def _environment(config: PipConfig) -> dict[str, str]:
    given = {"UV_HTTP_TIMEOUT": f"{config.timeout:.0f}", "UV_NO_PROGRESS": "1"}
    if config.cert:
        given["SSL_CERT_DIR" if config.cert.is_dir() else "SSL_CERT_FILE"] = str(config.cert)
    if config.client_cert:
        given["SSL_CLIENT_CERT"] = str(config.client_cert)
    if config.proxy:
        given |= {"HTTPS_PROXY": config.proxy, "HTTP_PROXY": config.proxy}
    return given
