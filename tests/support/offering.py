"""Files that a test index offers, and what became of them."""

from __future__ import annotations

import hashlib

from index_server import (
    Index,
    wheel_bytes,
)

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.fetch.fetch import fetch_all
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.store.store import Store

NAME = "small-1.0-py3-none-any.whl"

CHILD = """
import sys
from pathlib import Path
from ascend_wheelhouse.base.artifact import Expected
from ascend_wheelhouse.fetch.fetch import fetch_all
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.origins.pip_config import PipConfig
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.fetch.transfer import Download
root, filename, sha256, size, url = sys.argv[1:]
http = Http(PipConfig(timeout=60), Mirrors())
expected = Expected(sha256=sha256, size=int(size))
download = Download(filename=filename, expected=expected, urls=(url,))
fetch_all([download], Store(Path(root)), http=http)
"""
"""What a child process runs to fetch one file."""


def offered(index: Index, name: str = "small", *, filler: int = 2000) -> Download:
    """Offer a wheel and return the download that a lock would ask for."""
    filename = f"{name}-1.0-py3-none-any.whl"
    content = wheel_bytes(name, "1.0", filler=filler)
    index.offer(filename, content)
    digest = hashlib.sha256(content).hexdigest()
    artifact = Artifact(filename=filename, size=len(content), sha256=digest)
    return Download.of(artifact, name=name, urls=(index.file_url(filename),))


def fetch(download: Download, store: Store, http: Http) -> bytes:
    (fetched,) = fetch_all([download], store, http=http)
    return store.path(fetched.sha256).read_bytes()


def nothing_kept(store: Store) -> bool:
    return not list(store.blobs()) and not list(store.root.glob("incoming/*"))
