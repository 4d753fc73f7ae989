"""A cell's wheelhouse verified where its labels fit: on a worker of the farm, or on this host where it is a node."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ascend_wheelhouse.base.errors import VerifyError
from ascend_wheelhouse.base.events import Emit, Note, Stage
from ascend_wheelhouse.matrix.orders import CellOrder
from ascend_wheelhouse.matrix.verified import reports_below, verification
from ascend_wheelhouse.node.verify.report import Report, tally
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.verify.found import find
from ascend_wheelhouse.verify.own_process import verify_apart

if TYPE_CHECKING:
    from ascend_wheelhouse.farm.demand import Demand
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
        CellFailedError: A probe failed, now, or in the last verification of these very files where nobody did it now.
        WheelhouseError: Why no report was made.
    """
    pending = find(folder, folder.parent).manifest.get("pending", ())
    if pending:
        return _unless_it_failed(
            folder, reports, f"it lacks {', '.join(one['component'] for one in pending)}"
        )
    emit(Stage(name="verify"))
    place = reports / folder.name
    found = _on_farm(folder, place, farm.telling(emit), store) if farm else _here(folder, place, store, emit)
    if isinstance(found, str):
        return _unless_it_failed(folder, reports, found)
    if found.exit_code:
        failed = [f"{one.probe}: {one.evidence}" for one in found.results if not one.good]
        raise CellFailedError(
            f"{folder.name} failed its verification on {found.host.get('name') or 'a node'}: {tally(found.counts)}.",
            why="; ".join(failed[:3]) or found.head or "What needs an NPU was skipped on a node with NPUs.",
            next_step=f"look at {place / 'report.html'}",
        )
    return ""


def _unless_it_failed(folder: Path, reports: Path, why: str) -> str:
    """Return why nobody verified a wheelhouse; one that failed before is no better for that."""
    last = verification(folder, reports_below(reports).reports)
    if (last.state, last.of) != ("failed", "these files"):
        return why
    raise CellFailedError(
        f"{folder.name} failed its last verification, on {last.host or 'a node'}: {last.counts}.",
        why=f"Nobody could verify it again: {why}.",
        next_step=f"look at {Path(last.report).with_name('report.html')}",
    )


def _on_farm(folder: Path, place: Path, farm: Farm, store: Store) -> Report | str:
    found = farm.verify(folder, place, store)
    return found if isinstance(found, Report) else f"no worker has {' or '.join(found.lacks)}"


def tell_unfit(orders: Sequence[CellOrder], farm: Farm | None, emit: Emit) -> None:
    """Tell, before the first cell begins, of all cells that nobody can verify as it stands."""
    from ascend_wheelhouse.farm.verifying import demand_on  # noqa: PLC0415 - only who verifies needs it

    targets = {order.name: order.make.lock.request.target for order in orders if order.verify is not None}
    demands = {name: demand_on(target.machine, target.npu) for name, target in targets.items()}
    if farm is not None:
        farm.telling(emit).unverified(demands)
        return
    unmet = [f"{name} wants {demand}" for name, demand in demands.items() if _lacking_here(demand)]
    if unmet:
        text = f"this host cannot verify {len(unmet)} of {len(demands)}: {'; '.join(unmet)}. --scheduler names a farm"
        emit(Note(text=text, level="warning"))


def _lacking_here(demand: Demand) -> str:
    """Return what this host has not, or nothing."""
    from ascend_wheelhouse.farm.labels import NPU, Labels, npu_labels  # noqa: PLC0415 - as above

    own = {"machine": os.uname().machine, **npu_labels()}
    lacks = demand.lacking(Labels(version="", named={name: (value,) for name, value in own.items()}))
    return ", ".join(lacks) or ("" if NPU in own else NPU)


def _here(folder: Path, place: Path, store: Store, emit: Emit) -> Report | str:
    from ascend_wheelhouse.farm.verifying import demand_for  # noqa: PLC0415 - as above

    demand = demand_for(find(folder, folder.parent))
    if lacks := _lacking_here(demand):
        return f"this host has no {lacks}; --scheduler names a farm"
    with _ALONE:
        return verify_apart(folder, place, store.root, emit)
