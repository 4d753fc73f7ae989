"""Tasks that build one component from source."""

from __future__ import annotations

from invoke.context import Context

from ascend_wheelhouse.commands.tasks.cell import CellOptions, cell_task
from ascend_wheelhouse.commands.tasks.words import (
    JSON,
    root_of,
)

_BUILD = {
    "component": "name of a recipe with a [build] table",
    "container": "build in this image; `recipe` for the recipe's own",
    "offline": "use the store alone",
}


@cell_task(help=JSON | _BUILD | {"sandbox": "seal the build (--no-sandbox to go on without)"})
def build(
    c: Context,
    cell: CellOptions,
    component: str,
    sandbox: bool = True,
    container: str = "",
    offline: bool = False,
    json: bool = False,
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
                build=BuildPlace(sandbox=sandbox, container=container),
                offline=offline,
                json=json,
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
