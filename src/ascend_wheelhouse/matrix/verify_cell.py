"""A cell's wheelhouse verified where its labels fit: on a worker of the farm, or on this host where it is a node."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from ascend_wheelhouse.base.errors import VerifyError
from ascend_wheelhouse.base.events import Emit, Stage
from ascend_wheelhouse.node.verify.report import Report
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.verify.found import find
from ascend_wheelhouse.verify.own_process import verify_apart

if TYPE_CHECKING:
    from ascend_wheelhouse.farm.farm import Farm

_ALONE = threading.Lock()
"""Two verifications at once on this host would have to share its NPUs."""


class CellFailedError(VerifyError):
    """A probe failed on the node where a cell was verified."""


def verify_cell(folder: Path, reports: Path, farm: Farm | None, store: Store, emit: Emit) -> str:
    """Verify a finished wheelhouse; return why nobody did, or nothing.

    Args:
        folder: The wheelhouse.
        reports: Where reports go, each in a folder of the wheelhouse's name.
        farm: Where it is done; this host when None.
        store: This host's store.
        emit: Told of the progress.

    Raises:
        CellFailedError: A probe failed.
        WheelhouseError: Why no report was made.
    """
    pending = find(folder, folder.parent).manifest.get("pending", ())
    if pending:
        return f"it lacks {', '.join(one['component'] for one in pending)}"
    emit(Stage(name="verify"))
    place = reports / folder.name
    found = _on_farm(folder, place, farm.telling(emit), store) if farm else _here(folder, place, store, emit)
    if isinstance(found, str):
        return found
    if found.exit_code:
        failed = [f"{one.probe}: {one.evidence}" for one in found.results if not one.good]
        raise CellFailedError(
            f"{folder.name} failed its verification on {found.host.get('name') or 'a node'}: {found.headline}.",
            why="; ".join(failed[:3]) or found.head or "What needs an NPU was skipped on a node with NPUs.",
            next_step=f"look at {place / 'report.html'}",
        )
    return ""


def _on_farm(folder: Path, place: Path, farm: Farm, store: Store) -> Report | str:
    found = farm.verify(folder, place, store)
    return found if isinstance(found, Report) else f"no worker has {' or '.join(found.lacks)}"


def _here(folder: Path, place: Path, store: Store, emit: Emit) -> Report | str:
    from ascend_wheelhouse.farm.labels import NPU, Labels, npu_labels  # noqa: PLC0415 - only who verifies needs it
    from ascend_wheelhouse.farm.verifying import demand_for  # noqa: PLC0415 - as above

    demand = demand_for(find(folder, folder.parent))
    own = {"machine": os.uname().machine, **npu_labels()}
    fits = demand.fits(Labels(version="", named={name: (value,) for name, value in own.items()}))
    if not fits or NPU not in own:
        return f"this host has no {demand}; --scheduler names a farm"
    with _ALONE:
        return verify_apart(folder, place, store.root, emit)
