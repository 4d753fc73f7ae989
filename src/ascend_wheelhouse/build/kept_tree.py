"""Kept trees: the source folder of an incremental build and the objects in it, which the next one goes on with.

A tree belongs to everything in a build's key but the contents of its source, and is used by one build at a time. A
tree that a synchronisation left half done is thrown away. After steps that failed or were killed it is gone on with as
far as that is sound: ninja notes what it finished, so that its objects can be told from halves, and make does not.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ascend_wheelhouse.base import medium, rights
from ascend_wheelhouse.base.clock import Clock, SystemClock
from ascend_wheelhouse.base.events import Emit, Note
from ascend_wheelhouse.build import shims
from ascend_wheelhouse.build.keys import digest_of
from ascend_wheelhouse.build.script import Workspace
from ascend_wheelhouse.build.settle import LOG
from ascend_wheelhouse.build.synchronise import (
    Changes,
    Keeping,
    UnsyncableError,
    compare,
    hides,
    object_trees,
    remove,
    synchronise,
)
from ascend_wheelhouse.build.trees import HALF, USED
from ascend_wheelhouse.store.store_files import read_json

SCHEMA = 1
"""Counts on whenever a tree that an earlier edition of this module kept must not be gone on with."""
SETTLED = "settled.json"
BYTECODE = "bytecode"
"""Where Python keeps bytecode of the environment: it would compile setuptools and torch anew in each process."""
_LIST, _RUNNING = "source.json", "unfinished"
_STAY = {_LIST, HALF, _RUNNING, USED, "work"}
_SHAPE = {"files": [str], "shims": str, "variables": str}


def digest_of_tree(facts: Mapping[str, object], interpreter: Path) -> str:
    """Return what a kept tree is known by.

    Args:
        facts: What the build's key is made of; what follows from the contents of the source is left out.
        interpreter: The folder of its CPython.
    """
    contents = {"source", "epoch", "patches", "repositories"}
    kept = {name: fact for name, fact in facts.items() if name not in contents}
    return digest_of(kept | {"tree": SCHEMA, "interpreter": str(interpreter)})


@dataclass(frozen=True, kw_only=True)
class KeptTree:
    """One kept tree.

    Args:
        place: Its folder in the store; `work` in it is what a build sees at its root.
        clock: Says what time it is.
    """

    place: Path
    clock: Clock = field(default_factory=SystemClock)

    @property
    def source(self) -> Path:
        """The source folder."""
        return self.place / "work" / "source"

    @property
    def fresh(self) -> Path:
        """Where the new source is laid out, out of a build's sight."""
        return self.place / "fresh"

    @property
    def record(self) -> Path:
        """What `settle.py` notes."""
        return self.place / "work" / SETTLED

    def begin(self, emit: Emit) -> None:
        """Throw away what the last synchronisation left half done, and all that a build has beside its source."""
        if (self.place / HALF).exists():
            self._discard("the last run was stopped amid a change of its files", emit)
        rights.make_folder(self.place.parent.parent, self.place.parent.name)
        self.place.mkdir(exist_ok=True)
        (self.place / USED).touch()
        work = self.place / "work"
        for path in (*self.place.iterdir(), *work.glob("*")):
            stays = path in {self.source, self.record, work / BYTECODE} and not path.is_symlink()
            if not stays and path.name not in _STAY:
                remove(path)  # a link of the build's own leads to anything of this host

    def keep_bytecode(self, seen: str) -> None:
        """Have Python keep bytecode, but none of the source folder, which builds see at `seen`.

        Python takes bytecode for that of a file by size and whole seconds, within which a source may change.
        """
        place = self.place / "work" / BYTECODE / seen.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()  # a file where Python would make a folder

    def take(self, *, seen: str, variables: Mapping[str, str], emit: Emit) -> None:
        """Bring the source folder to the fresh source; the shims have been written.

        Args:
            seen: Where a build sees the source folder.
            variables: Those of the recipe, with what it says of the commit in them; cmake remembers the first it sees.
            emit: Told where a tree is thrown away.
        """
        known = read_json(self.place / _LIST, _SHAPE) or {"files": [], "shims": "", "variables": ""}
        asked = digest_of(variables)
        commands = self._shims()
        mark(self.place / HALF)
        if self.source.exists() and known["shims"] != commands:
            self._clear("other compiler wrappers", emit)
        try:
            changes = self._synchronise(seen, frozenset(known["files"]), same=known["variables"] == asked)
        except UnsyncableError as error:
            self._clear(str(error), emit)
            changes = self._synchronise(seen, frozenset(), same=False)
        text = json.dumps({"files": sorted(changes.listed), "shims": commands, "variables": asked})
        (self.place / _LIST).write_text(text, "utf-8")
        mark(self.place / _RUNNING)
        (self.place / HALF).unlink()
        shutil.rmtree(self.fresh)

    def _synchronise(self, seen: str, before: frozenset[str], *, same: bool) -> Changes:
        self.source.mkdir(parents=True, exist_ok=True)
        changes = compare(self.fresh, self.source, before)
        came = changes.listed - before
        trees = [tree for tree in object_trees(self.source, changes.listed | before) if not hides(tree, came)]
        unfinished = (self.place / _RUNNING).exists()
        if unfinished:
            trees = [tree for tree in trees if (tree / LOG).exists()]
        synchronise(
            self.fresh,
            Keeping(top=self.source, seen=seen, trees=tuple(trees)),
            changes,
            code=same and not unfinished and changes.only_code(before),
            stamp=int(self.clock.wall() * 1e9),
        )
        return changes

    def finished(self) -> None:
        """Note that the steps ended well."""
        (self.place / _RUNNING).unlink(missing_ok=True)

    def _shims(self) -> str:
        folder = self.place / "work" / shims.FOLDER
        return digest_of({path.name: _content(path) for path in sorted(folder.iterdir())})

    def _clear(self, why: str, emit: Emit) -> None:
        emit(Note(text=f"the kept tree {self.place.name} is thrown away: {why}", level="warning"))
        shutil.rmtree(self.source, ignore_errors=True)
        self.record.unlink(missing_ok=True)

    def _discard(self, why: str, emit: Emit) -> None:
        self._clear(why, emit)
        shutil.rmtree(self.place)


def _content(path: Path) -> str:
    return str(path.readlink()) if path.is_symlink() else path.read_text("utf-8")


def mark(path: Path) -> None:
    """Make an empty file, and have it on the disk before anything that comes after."""
    path.touch()
    medium.flush(path)


def write_gates(workspace: Workspace) -> None:
    """Put `settle.py` before ninja and make."""
    tools, seen = workspace.toolchain, workspace.environment
    shims.write_gates(
        workspace.work / shims.FOLDER,
        {
            name: tool.path if (tool := tools.get(name)) else f"{seen.seen}/bin/{name}"
            for name in ("make", "ninja")
            if tools.get(name) or (seen.folder / "bin" / name).exists()
        },
        runner=tools.runner,
        settling=(
            f"{workspace.interpreter.program} -I -S {workspace.root}/{shims.FOLDER}/{shims.SETTLE} "
            f"{workspace.root}/source {workspace.root}/{SETTLED}"
        ),
    )
