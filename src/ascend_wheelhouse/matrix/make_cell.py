"""One cell of a matrix from request to bundle: the one function that every engine runs, here or elsewhere.

What it takes and what it returns can be pickled: `CellOrder` says all that is asked, `CellEnd` all that became of it.
What cells of one process have in common (`CellTools`) is made anew where none are handed in, from the order alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ascend_wheelhouse.base.errors import WheelhouseError, file_trouble, unexpected
from ascend_wheelhouse.base.events import Emit, Stage, silent
from ascend_wheelhouse.base.process import stopping
from ascend_wheelhouse.make import freshness
from ascend_wheelhouse.make.line import Line
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.make.remembered import counts_of, make_and_remember
from ascend_wheelhouse.matrix.cell_bundle import bundle_cell
from ascend_wheelhouse.matrix.orders import CellEnd, CellOrder, Step, finished
from ascend_wheelhouse.store.store import Store


@dataclass(frozen=True, kw_only=True)
class CellTools:
    """What the cells of one process have in common.

    Args:
        folder: The project folder as it was read.
        given: The digest of what wheelhouses are made from, taken before that.
        store: Where cached bytes are.
        line: The client of the origins, whose turn it is to fetch, and the farm.
    """

    folder: ProjectFolder
    given: str
    store: Store
    line: Line = field(default_factory=Line)

    @classmethod
    def of(cls, root: Path) -> CellTools:
        """Read a project folder.

        Raises:
            InvalidFilesError: Anything is wrong in any file of it.
        """
        store = Store()
        given = freshness.given_digest(root, store.root)
        return cls(folder=ProjectFolder.load(root), given=given, store=store)


def make_cell(order: CellOrder, tools: CellTools | None = None, emit: Emit = silent) -> CellEnd:
    """Do what is asked for one cell; an error ends it and is told in its end, not raised.

    Args:
        order: What is asked.
        tools: Shared with other cells; made here when None.
        emit: Told of the progress.

    Raises:
        KeyboardInterrupt: The run is stopped, and that broke something.
    """
    end = CellEnd(order=order)
    try:
        tools = tools or CellTools.of(order.root)
        end = _made(order, tools, emit)
        end = _verified(end, tools, emit)
        return _bundled(end, emit) if order.bundle and end.error is None else end
    except WheelhouseError as error:
        return _failed(end, error)
    except OSError as error:
        return _failed(end, file_trouble(error))
    except Exception as error:  # noqa: BLE001 - a fault of one cell is told in its row, and stops no other
        return _failed(end, _fault(error))


def _fault(error: Exception) -> WheelhouseError:
    """Return what tells of a fault of this tool.

    Raises:
        KeyboardInterrupt: The run is stopped: that its commands were ended is none.
    """
    if stopping():
        raise KeyboardInterrupt from error
    return unexpected(error)


def _failed(end: CellEnd, error: WheelhouseError, at: Step = "bundle") -> CellEnd:
    error.for_cell(end.order.words)
    step: Step = "make" if end.folder is None else at
    return CellEnd(**{**vars(end), "step": step, "error": error.as_dict()})


def _made(order: CellOrder, tools: CellTools, emit: Emit) -> CellEnd:
    found = standing(order, tools)
    if found is None:
        made = make_and_remember(
            order.make, tools.folder, store=tools.store, emit=emit, given=tools.given, line=tools.line
        )
        audit = None if made.report is None else counts_of(made.report)
        return CellEnd(order=order, folder=made.folder, made=True, audit=audit)
    return CellEnd(order=order, folder=found, audit=freshness.audit_of(order.state))


def standing(order: CellOrder, tools: CellTools) -> Path | None:
    """Return the finished wheelhouse that answers an order, if nothing that it was made from has changed."""
    return finished(order, tools.store.root, tools.given)


def _verified(end: CellEnd, tools: CellTools, emit: Emit) -> CellEnd:
    """Verify the wheelhouse where that was asked for; one that fails is not packed."""
    if end.folder is None or end.order.verify is None:
        return end
    from ascend_wheelhouse.matrix.verify_cell import verify_cell  # noqa: PLC0415 - a finished matrix needs none of it

    try:
        why = verify_cell(end.folder, end.order.verify, tools.line.farm, tools.store, emit)
    except WheelhouseError as error:
        return _failed(end, error, "verify")
    except OSError as error:
        return _failed(end, file_trouble(error), "verify")
    except Exception as error:  # noqa: BLE001 - as in `make_cell`
        return _failed(end, _fault(error), "verify")
    return CellEnd(**{**vars(end), "unverified": why})


def _bundled(end: CellEnd, emit: Emit) -> CellEnd:
    if end.folder is None or end.order.bundle is None:
        return end
    emit(Stage(name="bundle"))
    try:
        bundle = bundle_cell(end.folder, end.order.bundle, emit)
    except WheelhouseError as error:
        return _failed(end, error)
    except OSError as error:
        return _failed(end, file_trouble(error))
    return CellEnd(**{**vars(end), "bundle": bundle})
