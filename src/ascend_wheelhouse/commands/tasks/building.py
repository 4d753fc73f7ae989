"""Tasks that build one component from source."""

from __future__ import annotations

from invoke.context import Context

from ascend_wheelhouse import console
from ascend_wheelhouse.commands.tasks.built_in import PLATFORM
from ascend_wheelhouse.commands.tasks.cell import CellOptions, cell_task
from ascend_wheelhouse.commands.tasks.farm_words import NO_FARM, FarmWords
from ascend_wheelhouse.commands.tasks.flags import task
from ascend_wheelhouse.commands.tasks.making_words import SHARED, CacheWords
from ascend_wheelhouse.commands.tasks.words import (
    JSON,
    PROFILE,
    path_of,
    profile_of,
    root_of,
    toolchain_choice,
)

_BUILD = {
    "component": "name of a recipe with a [build] table",
    "container": "build in this image; `recipe` for the recipe's own",
    "offline": "use the store alone",
}
_TOOLCHAIN = {"toolchain": "host, own (see invoke toolchain), or auto: the host's where it fits"}


@cell_task(
    help=JSON
    | _BUILD
    | PROFILE
    | _TOOLCHAIN
    | {
        "sandbox": "seal the build (--no-sandbox to go on without)",
        "out": "a folder for the wheel; the store alone has it when not given",
        "incremental": "go on with the kept tree of the last such build, and mark the wheel",
    },
    settled=["toolchain"],
    optional=["profile"],
)
def build(
    c: Context,
    cell: CellOptions,
    component: str,
    sandbox: bool = True,
    container: str = "",
    toolchain: str = "auto",
    out: str = "",
    offline: bool = False,
    incremental: bool = False,
    profile: str = "",
    json: bool = False,
    shared: CacheWords = SHARED,
    farm: FarmWords = NO_FARM,
) -> None:
    """Build one component from its locked source, without a network."""
    with cell.guard(json=json):
        from ascend_wheelhouse.commands import build as command
        from ascend_wheelhouse.make.options import BuildPlace

        command.main(
            command.BuildOptions(
                root=root_of(c),
                component=component,
                request=cell.request(),
                out=path_of(out),
                build=BuildPlace(sandbox=sandbox, container=container, toolchain=toolchain_choice(toolchain)),
                offline=offline,
                incremental=incremental,
                cache=shared.choice(),
                json=json,
                profile=profile_of(profile),
                farm=farm.choice(),
            )
        )


@cell_task(help=JSON | _BUILD)
def reproduce(
    c: Context,
    cell: CellOptions,
    component: str,
    container: str = "",
    offline: bool = False,
    json: bool = False,
) -> None:
    """Build one component twice under different conditions, and compare the wheels."""
    with cell.guard(json=json):
        from ascend_wheelhouse.commands import reproduce as command
        from ascend_wheelhouse.make.options import BuildPlace

        command.main(
            command.ReproduceOptions(
                root=root_of(c),
                component=component,
                request=cell.request(),
                build=BuildPlace(container=container),
                offline=offline,
                json=json,
            )
        )


@task(
    help=JSON
    | {
        "name": "one of recipes/toolchains; all when not given",
        "platform": "aarch64 or x86_64",
        "glibc": "the oldest glibc of the nodes, such as 2.34; 2.28 when not given",
        "python": "Python of the nodes, 3.11 (default) or 3.12",
        "lock": "look the packages up anew, and write lockfiles/toolchains",
        "offline": "use the store alone",
    },
    positional=[],
    settled=["platform", "glibc", "python"],
)
def toolchain(
    c: Context,
    name: str = "",
    platform: str = PLATFORM,
    glibc: str = "",
    python: str = "",
    lock: bool = False,
    offline: bool = False,
    json: bool = False,
) -> None:
    """Fetch the compilers that builds for a platform can use, so that no compiler of this host is needed."""
    with console.main_guard(json=json):
        from ascend_wheelhouse.cells.target import Target
        from ascend_wheelhouse.commands import toolchain as command

        command.main(
            command.ToolchainOptions(
                root=root_of(c),
                name=name,
                target=Target.named(platform, glibc=glibc, python=python),
                lock=lock,
                offline=offline,
                json=json,
            )
        )
