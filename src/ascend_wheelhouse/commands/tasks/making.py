"""Tasks that make a wheelhouse, or one step of it."""

from __future__ import annotations

from invoke.context import Context

from ascend_wheelhouse.commands.tasks.cell import CellOptions, cell_task
from ascend_wheelhouse.commands.tasks.farm_words import NO_FARM, FarmWords, farm_task
from ascend_wheelhouse.commands.tasks.words import (
    CACHE,
    CACHE_LISTS,
    JSON,
    LOCK,
    MAKING,
    PROFILE,
    RESOLVER,
    cache_choice,
    in_ci,
    lock_choice,
    make_options,
    path_of,
    profile_of,
    root_of,
)


@farm_task(
    default=True,
    help=JSON
    | LOCK
    | CACHE
    | MAKING
    | PROFILE
    | {
        "upgrade": "make a new lock although one is committed",
        "check": "re-hash a finished wheelhouse instead of trusting its time stamps",
        "dry-run": "show the plan and stop",
        "build": "build this component from source (may be repeated)",
    },
    iterable=["build", *CACHE_LISTS],
    settled=["resolver", "toolchain"],
    optional=["profile"],
)
def wheelhouse(
    c: Context,
    cell: CellOptions,
    offline: bool = False,
    strict: bool = False,
    upgrade: bool = False,
    check: bool = False,
    dry_run: bool = False,
    resolver: str = RESOLVER,
    exclude_newer: str = "",
    build: list[str] | None = None,
    sandbox: bool = True,
    container: str = "",
    toolchain: str = "auto",
    output: str = "",
    retry: bool = False,
    audit: bool = True,
    cache: list[str] | None = None,
    cache_key: str = "",
    cache_trust: list[str] | None = None,
    profile: str = "",
    json: bool = False,
    farm: FarmWords = NO_FARM,
) -> None:
    """Make a wheelhouse: every wheel, lock, index, manifest and checksum for one kind of node."""
    with cell.guard(json=json):
        from ascend_wheelhouse.commands import wheelhouse as command

        request = cell.request()
        out = path_of(output) or root_of(c) / "wheelhouse"
        chosen = lock_choice(request, exclude_newer, resolver, build, upgrade=upgrade)
        place = (sandbox, container, toolchain)
        make = make_options(out, chosen, place, farm, offline=offline, audit=audit)
        times = profile_of(profile)
        modes = {"strict": strict or in_ci(), "check": check, "dry_run": dry_run, "retry": retry}
        shared = cache_choice(cache, cache_key, cache_trust)
        command.main(
            command.WheelhouseOptions(
                root=root_of(c), make=make, cache=shared, profile=times, json=json, **modes
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
    with cell.guard(json=json and not dot):
        from ascend_wheelhouse.commands import plan as command

        command.main(
            command.PlanOptions(
                root=root_of(c),
                request=cell.request(),
                output=root_of(c) / "wheelhouse",
                form="dot" if dot else "json" if json else "table",
                whole=all,
            )
        )


@cell_task(
    help=JSON | LOCK | PROFILE | {"upgrade": "resolve anew although a lock is committed"},
    settled=["resolver"],
    optional=["profile"],
)
def lock(
    c: Context,
    cell: CellOptions,
    upgrade: bool = False,
    resolver: str = RESOLVER,
    exclude_newer: str = "",
    profile: str = "",
    json: bool = False,
) -> None:
    """Make or change a lock, and print what changed and why."""
    with cell.guard(json=json):
        from ascend_wheelhouse.commands import lock as command

        request = cell.request()
        options = lock_choice(request, exclude_newer, resolver, upgrade=upgrade)
        times = profile_of(profile)
        command.main(command.LockOptions(root=root_of(c), lock=options, profile=times, json=json))


@cell_task(help=JSON | CACHE | {"offline": "say what the store lacks"}, iterable=CACHE_LISTS)
def fetch(
    c: Context,
    cell: CellOptions,
    offline: bool = False,
    cache: list[str] | None = None,
    cache_key: str = "",
    cache_trust: list[str] | None = None,
    json: bool = False,
) -> None:
    """Bring every locked file into the store, without making a wheelhouse."""
    with cell.guard(json=json):
        from ascend_wheelhouse.commands import fetch as command

        request = cell.request()
        shared = cache_choice(cache, cache_key, cache_trust)
        command.main(
            command.FetchOptions(root=root_of(c), request=request, offline=offline, cache=shared, json=json)
        )
