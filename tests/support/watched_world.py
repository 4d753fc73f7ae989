"""A small world whose lock is made, and looks at its upstream."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from index_server import client
from small_world import World

from ascend_wheelhouse.base.events import Emit, silent
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.watch.findings import WatchFinding
from ascend_wheelhouse.watch.held import WatchChoice, watched
from ascend_wheelhouse.watch.watch import Seen, Watch

STACK = "torch2.8.0-cann8.5.0"
LOCK = "sglang1.0-torch2.8.0-cann8.5.0-a3"
CELL = ("--torch", "2.8.0", "--platform", "aarch64")


def look(
    world: World,
    *,
    offline: bool = False,
    vulnerabilities: Path | None = None,
    choice: WatchChoice | None = None,
    mirrors: Mapping[str, str] | None = None,
    emit: Emit = silent,
) -> Seen:
    """Return what a look at a world's upstream finds; nobody answers as OSV where nothing else is said."""
    folder = ProjectFolder.load(world.root)
    places = {"https://api.osv.dev/": "http://127.0.0.1:9/", **(mirrors or {})}
    with client(world.index, retries=0, mirrors=places) as http:
        watch = Watch(
            folder=folder,
            watched=watched(folder, choice or WatchChoice()),
            http=http,
            store=Store(world.store),
            offline=offline,
            vulnerabilities=vulnerabilities,
            emit=emit,
        )
        return watch.look()


def told(seen: Seen) -> dict[str, WatchFinding]:
    """Return findings by their identifiers, without what is never known in a small world."""
    never = {"unreachable/nnal/files", "unreachable/osv"}
    return {one.id: one for one in seen.findings if one.id not in never}


def lock_files(world: World) -> dict[str, bytes]:
    """Return every file of the recipes and the locks."""
    files = [path for part in ("lockfiles", "recipes") for path in (world.root / part).rglob("*")]
    return {
        str(path.relative_to(world.root)): path.read_bytes()
        for path in files
        if path.is_file() and path.parent.name != ".state"
    }
