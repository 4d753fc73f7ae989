"""What runs of one process have in common towards other hosts."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.make.fetcher import Fetcher
from ascend_wheelhouse.make.options import MakeOptions
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.store.store import Store

if TYPE_CHECKING:
    from ascend_wheelhouse.farm.farm import Farm


@dataclass(frozen=True, kw_only=True)
class Line:
    """What several runs of one process have in common towards other hosts.

    Args:
        http: The client of every origin.
        turn: Held by the one that fetches; see `Fetcher`.
        farm: The farm that was asked for; each run opens its own when None.
    """

    http: Http = field(default_factory=Http)
    turn: AbstractContextManager[object] = field(default_factory=nullcontext)
    farm: Farm | None = None

    def fetcher(self, options: MakeOptions, folder: ProjectFolder, store: Store, emit: Emit) -> Fetcher:
        """Return what brings the files of one run."""
        return Fetcher(
            recipes=folder.recipes,
            store=store,
            offline=options.offline,
            emit=emit,
            http=self.http,
            turn=self.turn,
        )
