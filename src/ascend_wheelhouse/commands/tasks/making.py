"""Tasks that make a wheelhouse, or one step of it."""

from __future__ import annotations

from invoke.context import Context

from ascend_wheelhouse.commands.tasks.cell import CellOptions, cell_task
from ascend_wheelhouse.commands.tasks.farm_words import NO_FARM, FarmWords
from ascend_wheelhouse.commands.tasks.making_words import (
    LOCKING,
    MAKING,
    SHARED,
    CacheWords,
    LockWords,
    MakeWords,
)
from ascend_wheelhouse.commands.tasks.words import JSON, PROFILE, profile_of, root_of


@cell_task(
    default=True,
    help=JSON
    | PROFILE
    | {
        "upgrade": "make a new lock although one is committed",
        "check": "re-hash a finished wheelhouse instead of trusting its time stamps",
        "dry-run": "show the plan and stop",
        "build": "build this component from source (may be repeated)",
    },
    iterable=["build"],
    settled=["resolver", "toolchain"],
    optional=["profile"],
)
def wheelhouse(
    c: Context,
    cell: CellOptions,
    upgrade: bool = False,
    check: bool = False,
    dry_run: bool = False,
    build: list[str] | None = None,
    profile: str = "",
    json: bool = False,
    locking: LockWords = LOCKING,
    making: MakeWords = MAKING,
    shared: CacheWords = SHARED,
    farm: FarmWords = NO_FARM,
) -> None:
    """Make a wheelhouse: every wheel, lock, index, manifest and checksum for one kind of node."""
    with cell.guard(json=json):
        from ascend_wheelhouse.commands import wheelhouse as command

        root = root_of(c)
        lock = locking.choice(cell.request(), upgrade=upgrade, build=build or ())
        modes = {"strict": making.is_strict, "check": check, "dry_run": dry_run, "retry": making.retry}
        command.main(
            command.WheelhouseOptions(
                root=root,
                make=making.options(root, lock, farm),
                cache=shared.choice(),
                profile=profile_of(profile),
                json=json,
                **modes,
            )
        )


@cell_task(
    help=JSON
    | {"dot": "a graph for Graphviz", "all": "show what is in the store already, too (--json always does)"}
)
def plan(
    c: Context,
    cell: CellOptions,
    dot: bool = False,
    all: bool = False,  # noqa: A002 - the option's name
    json: bool = False,
) -> None:
    """Show what `invoke wheelhouse` would do: fetch, build, what is pending, and why."""
    with cell.guard(json=json):
        from ascend_wheelhouse.commands import plan as command

        command.main(
            command.PlanOptions(
                root=root_of(c),
                request=cell.request(),
                output=root_of(c) / "wheelhouse",
                form=command.form_of(dot=dot, json=json),
                whole=all,
            )
        )


@cell_task(
    help=JSON
    | PROFILE
    | {
        "upgrade": "resolve anew although a lock is committed",
        "upgrade-package": "only these wheels move: NAME or NAME==VERSION, separated by commas",
    },
    settled=["resolver"],
    optional=["profile"],
)
def lock(
    c: Context,
    cell: CellOptions,
    upgrade: bool = False,
    upgrade_package: str = "",
    profile: str = "",
    json: bool = False,
    locking: LockWords = LOCKING,
) -> None:
    """Make or change a lock, and print what changed and why."""
    with cell.guard(json=json):
        from ascend_wheelhouse.commands import lock as command

        options = locking.choice(cell.request(), upgrade=upgrade, packages=upgrade_package)
        times = profile_of(profile)
        command.main(command.LockOptions(root=root_of(c), lock=options, profile=times, json=json))


@cell_task(help=JSON | {"offline": "say what the store lacks"})
def fetch(
    c: Context,
    cell: CellOptions,
    offline: bool = False,
    json: bool = False,
    shared: CacheWords = SHARED,
) -> None:
    """Bring every locked file into the store, without making a wheelhouse."""
    with cell.guard(json=json):
        from ascend_wheelhouse.commands import fetch as command

        request = cell.request()
        caches = shared.choice()
        command.main(
            command.FetchOptions(root=root_of(c), request=request, offline=offline, cache=caches, json=json)
        )
