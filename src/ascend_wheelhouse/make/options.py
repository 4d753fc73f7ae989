"""What a run is asked for, as values; made at the command line's edge, light to import."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ascend_wheelhouse.base.output_file import require_folder
from ascend_wheelhouse.cells.request import Request, ToolchainChoice
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.resolve.resolvers import ResolverName


@dataclass(frozen=True, kw_only=True)
class LockChoice:
    """Which lock a run goes by.

    Args:
        request: torch, target, CANN and SGLang.
        exclude_newer: A new lock leaves out uploads after this time (UTC); the stack's own when None.
        upgrade: Make a new lock although one is committed.
        packages: Wheels that move in the committed lock, `NAME` or `NAME==VERSION`, while the others stay.
        kept: Pins, `name==version`, that stay in a new lock wherever the rest allows it.
        resolver: Chooses the versions of a new lock.
        build: Components to build from source although an origin has them.
    """

    request: Request
    exclude_newer: datetime | None = None
    upgrade: bool = False
    packages: frozenset[str] = frozenset()
    kept: tuple[str, ...] = ()
    resolver: ResolverName = "pip-tools"
    build: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class BuildPlace:
    """Where components are built from source.

    Args:
        sandbox: Seal builds; False runs them on the host as it is.
        container: Build in this image; `recipe` for each recipe's own, empty for the host.
        toolchain: `host`, `own` (one that this tool brings along), or `auto`: the host's where it fits.
    """

    sandbox: bool = True
    container: str = ""
    toolchain: ToolchainChoice = "auto"


@dataclass(frozen=True, kw_only=True)
class MakeOptions:
    """How a wheelhouse is made.

    Args:
        lock: Which lock it follows.
        output: Folder that holds the wheelhouses.
        build: Where its sources are built.
        offline: Ask no origin.
        audit: Prove that the wheels fit together before the wheelhouse takes its place.
        farm: Other hosts that build; which ones changes nothing of what is made.
    """

    lock: LockChoice
    output: Path
    build: BuildPlace = field(default_factory=BuildPlace)
    offline: bool = False
    audit: bool = True
    farm: FarmChoice = field(default_factory=FarmChoice)

    def require_output(self) -> None:
        """Hold the output to a folder that can be written.

        Raises:
            OutputFolderError: It cannot.
        """
        require_folder(self.output)

    @property
    def asked(self) -> dict[str, object]:
        """What decides which wheelhouse answers, as JSON can write it: the same for the next run that asks it."""
        lock = self.lock
        target = lock.request.target
        request = vars(lock.request) | {"target": target.words}
        cutoff = lock.exclude_newer.isoformat() if lock.exclude_newer else ""
        locked = {"exclude_newer": cutoff, "resolver": lock.resolver, "build": sorted(lock.build)}
        return {**request, **locked, "in": vars(self.build), "output": str(self.output)}
