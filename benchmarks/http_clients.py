"""What a byte costs with each HTTP client: bodies read in 1 MiB pieces and hashed, over the loopback.

    python benchmarks/http_clients.py FOLDER [--threads 8]

requests is measured where it is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import httpx
import urllib3

PORT = 8504
_PIECE = 1 << 20


def by_urllib3() -> Callable[[str], str]:
    """Return a reader on urllib3, as `origins/http.py` reads."""
    pool = urllib3.PoolManager(maxsize=32)

    def read(url: str) -> str:
        digest = hashlib.sha256()
        response = pool.request("GET", url, preload_content=False)
        while piece := response.read1(_PIECE):
            digest.update(piece)
        response.release_conn()
        return digest.hexdigest()

    return read


def by_httpx() -> Callable[[str], str]:
    """Return a reader on httpx."""
    client = httpx.Client(timeout=60)

    def read(url: str) -> str:
        digest = hashlib.sha256()
        with client.stream("GET", url) as response:
            for piece in response.iter_raw(_PIECE):
                digest.update(piece)
        return digest.hexdigest()

    return read


def by_requests() -> Callable[[str], str]:
    """Return a reader on requests."""
    import requests  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415 - only where it is installed

    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=32))

    def read(url: str) -> str:
        digest = hashlib.sha256()
        with session.get(url, stream=True, timeout=60) as response:
            for piece in response.iter_content(_PIECE):
                digest.update(piece)
        return digest.hexdigest()

    return read


def main() -> None:
    """Serve the folder and let each client read it all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=8)
    options = parser.parse_args()
    files = sorted(options.folder.iterdir(), key=lambda path: -path.stat().st_size)
    urls = [f"http://127.0.0.1:{PORT}/files/{quote(path.name)}" for path in files]
    size = sum(path.stat().st_size for path in files) / 1e6
    script = str(Path(__file__).with_name("static_index.py"))
    words = [sys.executable, script, str(options.folder), "127.0.0.1", str(PORT)]
    clients = {"urllib3": by_urllib3, "httpx": by_httpx}
    if find_spec("requests"):
        clients["requests"] = by_requests
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        if server.stdout is None or not server.stdout.readline():
            raise SystemExit("the index did not start")
        for name, make in clients.items():
            wall, cpu = time.monotonic(), time.process_time()
            with ThreadPoolExecutor(options.threads) as pool:
                list(pool.map(make(), urls))
            wall, cpu = time.monotonic() - wall, time.process_time() - cpu
            print(f"{name:9}{size / wall:7.0f} MB/s {size / cpu:7.0f} MB a second of CPU")
        server.kill()


if __name__ == "__main__":
    main()
