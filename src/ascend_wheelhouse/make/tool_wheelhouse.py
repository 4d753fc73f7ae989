"""A wheelhouse of this program itself, so that it crosses the air gap as what it makes does.

Same folder, same manifest, same `install.py`: bundling, signing, proving and installing know no difference. Its cell is
a host's: architecture, glibc and Python.
"""

from __future__ import annotations

import io
from pathlib import Path

from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.folder import assemble
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.make.fetcher import Fetcher
from ascend_wheelhouse.make.own_wheel import own_wheel
from ascend_wheelhouse.make.tool_files import tool_files
from ascend_wheelhouse.make.tool_folder import lay_out
from ascend_wheelhouse.make.tool_manifest import STACK
from ascend_wheelhouse.store.store import Store


def make_tool_wheelhouse(target: Target, output: Path, store: Store, emit: Emit) -> Path:
    """Make the wheelhouse of this program for a kind of host, and return its folder.

    Args:
        target: The host.
        output: The folder of wheelhouses.
        store: Where the files are kept.
        emit: Told of the progress.

    Raises:
        BadToolLockError: The lock of the program cannot be read.
        ToolFileChangedError: The index offers another file than it names.
        WheelhouseError: The index did not answer, or has no such file.
    """
    fetcher = Fetcher(recipes={}, store=store, emit=emit)
    wheels = [*tool_files(target, fetcher, emit), _own(store)]
    folder = output / "-".join((STACK, *target.beside_default, target.machine))
    output.mkdir(parents=True, exist_ok=True)
    with assemble.replacing(folder, emit) as part:
        lay_out(part, target, sorted(wheels, key=lambda wheel: wheel.name), store)
    return folder


def _own(store: Store) -> LockedFile:
    filename, data = own_wheel()
    return LockedFile.of(store.artifact(filename, store.add(io.BytesIO(data))), origin="built")
