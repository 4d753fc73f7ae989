"""The developer's doors: `nox -s lint types tests`. Each session is one command in its own environment.

The environments come from `lockfiles/dev.txt`, hashed, with the index that pip is configured for: uv makes
them where it is there, pip elsewhere. What follows `--` goes to pytest: `nox -s tests -- -m 'not network and
not slow'`.
"""

from __future__ import annotations

import os
import subprocess
import sys

import nox

nox.needs_version = ">=2026.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_venv = "yes"

PYTHON = "3.11"


def _index_of_pip() -> dict[str, str]:
    """Return what makes uv ask the index that pip's configuration names, which uv does not read."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    )
    url = os.environ.get("PIP_INDEX_URL") or asked.stdout.strip()
    return {"UV_DEFAULT_INDEX": url} if url and "UV_DEFAULT_INDEX" not in os.environ else {}


def _install(session: nox.Session) -> None:
    session.install("-e", ".[dev]", env=_index_of_pip())


@nox.session(python=PYTHON)
def lint(session: nox.Session) -> None:
    """Hold the code to ruff's rules and format."""
    _install(session)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session(python=PYTHON)
def types(session: nox.Session) -> None:
    """Check every annotation, the tests' too."""
    _install(session)
    session.run("mypy")


@nox.session(python=PYTHON)
def tests(session: nox.Session) -> None:
    """Run the tests; all of them unless `--` says less."""
    _install(session)
    session.run("pytest", *session.posargs)


@nox.session(python=PYTHON)
def verify(session: nox.Session) -> None:
    """Install the newest wheelhouse into an empty, sealed environment and prove that it serves."""
    _install(session)
    session.run("python", "-m", "ascend_wheelhouse.verify", "--standins", "tests/standins", *session.posargs)


@nox.session(python=PYTHON)
def cluster(session: nox.Session) -> None:
    """Install a bundle on eight nodes made of network namespaces; needs root, sshd and iproute2."""
    _install(session)
    session.install("ansible-core>=2.19", env=_index_of_pip())
    session.run("pytest", "tests/cluster", *session.posargs)
