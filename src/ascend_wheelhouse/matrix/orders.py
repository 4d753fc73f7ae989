"""What is asked for one cell and what becomes of it, as values that can be pickled; light to import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ascend_wheelhouse.make import freshness
from ascend_wheelhouse.make.options import MakeOptions
from ascend_wheelhouse.matrix.cell_bundle import BundleOrder, CellBundle

Step = Literal["make", "verify", "bundle"]


@dataclass(frozen=True, kw_only=True)
class CellOrder:
    """What is asked for one cell.

    Args:
        number: Its place in the matrix, counted from 1.
        name: What it is called until its wheelhouse is known.
        words: The options that name it.
        root: The project folder.
        make: How its wheelhouse is made.
        retry: Ask again for what is pending.
        bundle: How it is packed; None where it is not.
        verify: Folder where the report of its verification goes; None where it is not verified.
        pushed_to: Shared caches that are given what it consists of.
    """

    number: int
    name: str
    words: str
    root: Path
    make: MakeOptions
    retry: bool = False
    bundle: BundleOrder | None = None
    verify: Path | None = None
    pushed_to: tuple[str, ...] = ()

    @property
    def state(self) -> Path:
        """Where the state of its wheelhouse is kept."""
        return freshness.state_file(self.make.output, self.make.asked)

    @property
    def then(self) -> tuple[Step, ...]:
        """What is done with the finished wheelhouse, in this order."""
        asked: tuple[tuple[Step, object], ...] = (("verify", self.verify), ("bundle", self.bundle))
        return tuple(step for step, wanted in asked if wanted is not None)

    def then_without(self, pending: Sequence[str]) -> tuple[Step, ...]:
        """What is done with it where these components are pending: none verifies it, and few bundles may lack them."""
        if not pending:
            return self.then
        packed = self.bundle is not None and self.bundle.allow_incomplete
        return ("bundle",) if packed else ()


@dataclass(frozen=True, kw_only=True)
class CellEnd:
    """What became of one cell.

    Args:
        order: What was asked.
        folder: Its wheelhouse; None where there is none.
        made: Whether this run made it, or it stood there already.
        audit: How many findings of each severity the audit had; None where none is known.
        bundle: Its bundle; None where none was asked for, or none was written.
        unverified: Why nobody verified it although that was asked for; empty where that is not so.
        step: Where it failed; None where it did not.
        error: The error as `--json` prints it; None where there was none.
    """

    order: CellOrder
    folder: Path | None = None
    made: bool = False
    audit: Mapping[str, int] | None = None
    bundle: CellBundle | None = None
    unverified: str = ""
    step: Step | None = None
    error: Mapping[str, Any] | None = None

    @property
    def exit_code(self) -> int:
        """The code of its error, 0 without one."""
        return int(self.error["exit_code"]) if self.error else 0


def finished(order: CellOrder, store: Path, given: str) -> Path | None:
    """Return the wheelhouse that answers an order, if nothing that it was made from has changed.

    Args:
        order: What is asked.
        store: The store's root.
        given: `freshness.given_digest` of now.
    """
    if order.make.lock.upgrade or order.retry or not freshness.is_pushed(order.state, order.pushed_to):
        return None
    if order.make.audit and not freshness.is_audited(order.state):
        return None
    return freshness.fresh(
        order.state,
        root=order.root,
        store=store,
        output=order.make.output,
        given=given,
    )


def finished_end(order: CellOrder, store: Path, given: str) -> CellEnd | None:
    """Return how a cell ends for which nothing is left to do; None where something is. See `finished`."""
    if order.then:
        return None
    if (folder := finished(order, store, given)) is None:
        return None
    return CellEnd(order=order, folder=folder, audit=freshness.audit_of(order.state))
