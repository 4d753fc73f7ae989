"""`pip-compile`, unpatched, in an interpreter that reports the target.

pip evaluates markers and tags for the interpreter that it runs in, whatever `--platform` says; so the
interpreter is told what to report by a start-up shim (`shim/sitecustomize.py`). What pip-compile cannot be
told by option it is told by the index that it sees (`view.py`). Hashes are left to the lock: without the
index's JSON API they would cost a download of every file.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import getproxies

from ascend_wheelhouse.base.places import made_cache
from ascend_wheelhouse.cells.target import Target, dotted
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.resolve.metadata import MetadataReader
from ascend_wheelhouse.resolve.request import Resolution, ResolveRequest
from ascend_wheelhouse.resolve.tool import ANSWER, CONSTRAINTS, REQUIREMENTS, answer, link_of, question
from ascend_wheelhouse.resolve.view import IndexView, served

_HERE = "127.0.0.1"
_SHIM = Path(__file__).with_name("shim")


@dataclass(frozen=True, kw_only=True)
class PipToolsResolver:
    """pip-tools of this environment.

    Args:
        http: The HTTP client for the indexes; one that follows pip's configuration when None.
        cache: Where pip-tools keeps what it learnt, one folder a kind of machine; the user's cache when None.
    """

    http: Http | None = field(default=None)
    cache: Path | None = field(default=None)
    name: str = field(default="pip-tools", init=False)

    def resolve(self, request: ResolveRequest) -> Resolution:
        """Return the pins that pip-compile chooses; see `Resolver.resolve`."""
        http = self.http or Http()
        view = IndexView(request, http, MetadataReader(http, self._cache / "metadata"))
        with question(request) as folder, served(view) as index:
            env = {**reporting(request.target), **_sources(request, http, index)}
            try:
                return answer(self.name, self._command(request), folder, request, env)
            finally:
                if view.failures:
                    raise view.failures[0]

    @property
    def _cache(self) -> Path:
        return self.cache or made_cache("pip-tools")

    def _command(self, request: ResolveRequest) -> list[str | Path]:
        return [
            *(sys.executable, "-m", "piptools", "compile", REQUIREMENTS, "--constraint", CONSTRAINTS),
            *("--output-file", ANSWER, "--verbose", "--no-config", "--no-header", "--no-emit-options"),
            *("--strip-extras", "--allow-unsafe", "--annotate"),
            *("--cache-dir", self._cache / request.target.manylinux),
        ]


def reporting(target: Target) -> dict[str, str]:
    """Return the environment variables that make a Python interpreter report `target`."""
    python = [int(part) for part in target.markers["python_full_version"].split(".")]
    facts = {"machine": target.machine, "glibc": dotted(target.glibc), "python": python}
    paths = [str(_SHIM), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths), "WHEELHOUSE_REPORTS": json.dumps(facts)}


def _proxies(own: str | None) -> dict[str, str]:
    """Return the variables by which pip asks this address itself, and everybody else as it is set to.

    pip asks a proxy for the loopback address as well, unless `no_proxy` names that; what is told by pip's own setting
    passes over `no_proxy`, so that one is told by the other variables.

    Args:
        own: pip's own setting.
    """
    exempted = "" if own else getproxies().get("no", "")
    outside = exempted if exempted.strip() == "*" else ",".join(filter(None, [exempted, _HERE]))
    told = {"no_proxy": outside, **dict.fromkeys(("http_proxy", "https_proxy"), own or "")}
    return {form: value for name, value in told.items() if value for form in (name, name.upper())}


def _sources(request: ResolveRequest, http: Http, index: str) -> dict[str, str]:
    """Return pip's variables: its files are not read, so the view is the only index that it asks."""
    config = http.config
    given = {
        "PIP_CERT": config.cert,
        "PIP_CLIENT_CERT": config.client_cert,
        "PIP_TRUSTED_HOST": " ".join(config.trusted_hosts),
    }
    return {
        **_proxies(config.proxy),
        **{name: str(value) for name, value in given.items() if value},
        "PIP_TIMEOUT": str(config.timeout),
        "PIP_RETRIES": str(config.retries),
        "PIP_INDEX_URL": index,
        "PIP_EXTRA_INDEX_URL": index,
        "PIP_NO_INDEX": "0",
        "PIP_FIND_LINKS": " ".join([*map(link_of, request.find_links), *map(link_of, config.find_links)]),
        "PIP_ONLY_BINARY": ":all:",
        "PIP_NO_INPUT": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
