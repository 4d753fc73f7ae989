"""Fill a folder with the files of a lock, from the store, so that `fetch.py` can serve them.

    python benchmarks/lock_folder.py LOCK_FOLDER PLATFORM FOLDER

Run `invoke wheelhouse` once before: it brings the files into the store.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from ascend_wheelhouse.store.store import Store


def named(folder: Path, platform: str) -> Iterator[tuple[str, str]]:
    """Yield the place and the sha256 of a lock's files from an index; what a build alone needs is in `build/`."""
    pylock = tomllib.loads((folder / f"pylock.{platform}.toml").read_text())
    sources = tomllib.loads((folder / f"sources.{platform}.toml").read_text())
    payloads = tomllib.loads((folder / f"payloads.{platform}.toml").read_text())
    for payload in payloads.get("payload", []):
        yield payload["filename"], payload["sha256"]
    built = {source["component"] for source in sources.get("source", [])}
    for package in pylock["packages"]:
        if package["name"] not in built:
            for wheel in package["wheels"]:
                yield Path(wheel["path"]).name, wheel["hashes"]["sha256"]
    for source in sources.get("source", []):
        for file in (source, *source["environment"]):
            yield f"build/{file['filename']}", file["sha256"]


def main() -> None:
    """Link each file into the folder."""
    store, into = Store(), Path(sys.argv[3])
    (into / "build").mkdir(parents=True, exist_ok=True)
    for filename, sha256 in named(Path(sys.argv[1]), sys.argv[2]):
        (into / filename).unlink(missing_ok=True)
        (into / filename).symlink_to(store.path(sha256))
    print(f"{len(list(into.rglob('*.*')))} files in {into}")


if __name__ == "__main__":
    main()
