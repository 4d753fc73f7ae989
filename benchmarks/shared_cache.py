"""A second site with a warm shared cache, beside a bare parallel download of the same bytes from the same server.

    python benchmarks/shared_cache.py [--web] [--files 60] [--builds 6] [--megabytes 60] [--megabits 200] [--turns 3]

The server is moto's S3 in a second network namespace, behind a link with a rate and a round trip of 30 ms. The first
site's files and signed builds are made up, with sizes spread as a lock's are. The second site starts from an empty
store, has everything there in the end, and builds nothing; curl has signed URLs of the same objects, checking nothing.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path

from link import THERE, enter, neighbour
from static_index import Server

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.events import Event, Note, silent
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.folder.signing import generate_key
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.shared_cache.address import Address
from ascend_wheelhouse.shared_cache.backed_store import store_with
from ascend_wheelhouse.shared_cache.choice import CacheChoice
from ascend_wheelhouse.shared_cache.opening import reach
from ascend_wheelhouse.shared_cache.site import blob
from fetch import Contestant, compare

PORT = 8504
_BUCKET, _PREFIX = "wheels", "team"
_URL = f"s3://user:nobody@{_BUCKET}/{_PREFIX}?endpoint=http://{THERE}:{PORT}&region=us-east-1"
_WEB = f"http://{THERE}:{PORT}"


def fill(work: Path, options: argparse.Namespace) -> None:
    """Be the first site: push files and builds to a folder, and write down what the second one is to ask for."""
    drawn = random.Random(4)  # noqa: S311 - sizes that can be had again
    shares = [drawn.lognormvariate(0, 1.5) for _ in range(options.files + options.builds)]
    sizes = [int(options.megabytes * 1e6 * share / sum(shares)) + 1 for share in shares]
    key = generate_key(work / "key")
    os.environ["WHEELHOUSE_STORE"] = str(work / "first")
    rows, keys = [], []
    with store_with(CacheChoice(urls=(str(work / "cache"),), key=key.path), silent) as store:
        if store.behind is None:
            raise RuntimeError("there is no cache behind the store")
        for number, size in enumerate(sizes):
            sha256 = store.add(BytesIO(drawn.randbytes(size)))
            artifact = store.artifact(f"part-{number}.bin", sha256)
            rows.append(vars(artifact))
            if number < options.files:
                store.behind.offer_files([sha256])
                continue
            keys.append(f"build-{number}")
            store.put_result(keys[-1], {"file": sha256})
            store.behind.offer_result(keys[-1], [artifact])
    wanted = {"files": rows[: options.files], "builds": keys, "all": [row["sha256"] for row in rows]}
    (work / "wanted.json").write_text(json.dumps(wanted))


def serve(cache: Path) -> None:
    """Be the server: everything of a folder as objects of a bucket."""
    from moto.s3.models import s3_backends  # noqa: PLC0415 - the server alone needs it
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - as above

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    backend = s3_backends["123456789012"]["aws"]
    backend.create_bucket(_BUCKET, "us-east-1")
    for path in (one for one in cache.rglob("*") if one.is_file()):
        backend.put_object(_BUCKET, f"{_PREFIX}/{path.relative_to(cache)}", path.read_bytes())
    # on every address: the link's is not there yet
    ThreadedMotoServer("0.0.0.0", PORT, verbose=False).start()  # noqa: S104
    print("ready", flush=True)
    threading.Event().wait()


def serve_web(cache: Path) -> None:
    """Be the server: a folder's files, from the offset asked for."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

        def do_GET(self) -> None:
            path = cache / self.path.strip("/")
            size = path.stat().st_size if path.is_file() else 0
            asked = self.headers.get("Range", "")
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end = int(first or 0), min(int(last or size) + 1, size)
            self.send_response(404 if not path.is_file() else 206 if asked else 200)
            self.send_header("Content-Length", str(end - start))
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
            self.end_headers()
            self.wfile.flush()
            if end > start:
                with path.open("rb") as file:
                    self.connection.sendfile(file, start, end - start)

    with Server((THERE, PORT), Handler) as server:
        print("ready", flush=True)
        server.serve_forever()


def second_site(work: Path, url: str) -> None:
    """Be the second site: ask for every file and every build, and end badly where one would have to be made."""
    wanted = json.loads((work / "wanted.json").read_text())
    downloads = [Download.of(Artifact(**row)) for row in wanted["files"]]

    def tell(event: Event) -> None:
        if isinstance(event, Note) and event.level == "warning":
            raise SystemExit(event.text)

    with store_with(CacheChoice(urls=(url,), trust=(str(work / "key.pub"),)), tell) as store:
        if store.behind is None:
            raise SystemExit("there is no cache behind the store")
        came = store.behind.bring_files(downloads, silent)
        with ThreadPoolExecutor(4) as pool:  # as many as a run builds at once
            missed = list(pool.map(store.behind.bring_result, wanted["builds"])).count(False)
        if missed or len(came) < len(downloads):
            raise SystemExit(f"{missed} would be built, {len(downloads) - len(came)} fetched elsewhere")


def contestants(work: Path, url: str) -> list[Contestant]:
    """Return the second site, and curl with the same objects."""
    remote = reach(Address.of(url), Http(mirrors=Mirrors()))
    digests = json.loads((work / "wanted.json").read_text())["all"]
    lines = [f'url = "{remote.url(blob(sha256))}"\noutput = "{sha256}"' for sha256 in digests]
    (work / "curl").write_text("\n".join(lines) + "\n")
    ours = [sys.executable, __file__, "--second-site", str(work), *(["--web"] if url == _WEB else [])]
    bare = ["curl", "-sfZ", "--no-progress-meter", "--parallel-max", "12", "--parallel-immediate"]
    settings = {"WHEELHOUSE_STORE": "PLACE", "PIP_CONFIG_FILE": os.devnull, "NO_PROXY": "*"}
    return [
        Contestant(name="second site", words=ours, environ=settings),
        Contestant(name="bare (curl)", words=[*bare, "-K", str(work / "curl")], environ={"NO_PROXY": "*"}),
    ]


def main() -> None:
    """Parse, and be whom the options say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("files", 60), ("builds", 6), ("megabytes", 60), ("megabits", 200), ("turns", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--web", action="store_true", help="a plain web server in place of S3")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--second-site", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    url = _WEB if options.web else _URL
    if options.serve:
        (serve_web if options.web else serve)(options.serve)
    if options.second_site:
        second_site(options.second_site, url)
        return
    enter()
    with tempfile.TemporaryDirectory(dir=os.environ.get("WHEELHOUSE_BENCHMARK_DISK")) as name:
        work = Path(name)
        fill(work, options)
        words = [
            sys.executable,
            __file__,
            "--serve",
            str(work / "cache"),
            *(["--web"] if options.web else []),
        ]
        with neighbour(words, bits_per_second=options.megabits * 1e6, round_trip_ms=30.0) as kind:
            counted = f"{options.files} files and {options.builds} builds, {options.megabytes} MB"
            print(f"{counted}; {options.megabits} Mbit/s, 30 ms round trip, by {kind}", flush=True)
            compare(contestants(work, url), work, options.turns)


if __name__ == "__main__":
    main()
