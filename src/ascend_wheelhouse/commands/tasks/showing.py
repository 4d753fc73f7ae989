"""Tasks that show what was made."""

from __future__ import annotations

from invoke.context import Context

from ascend_wheelhouse.commands.tasks.cell import CellOptions, cell_task
from ascend_wheelhouse.commands.tasks.words import JSON, path_of, root_of


@cell_task(
    help=JSON
    | {
        "wheelhouse": "show this folder instead of the cell's",
        "against": "compare it with this wheelhouse",
        "vulnerabilities": "an export of the OSV database (zip or JSON) to compare the wheels with",
        "times": "the .json that --profile of a run wrote, for a chart in the page",
        "html": "write a page for a browser, one file",
        "out": "the page to write; NAME.html or comparison.html when not given",
        "all": "list the wheels that no recipe names, too (--json and --html always do)",
    }
)
def show(
    c: Context,
    cell: CellOptions,
    wheelhouse: str = "",
    against: str = "",
    vulnerabilities: str = "",
    times: str = "",
    html: bool = False,
    out: str = "",
    all: bool = False,  # noqa: A002 - the option's name
    json: bool = False,
) -> None:
    """Show a wheelhouse: cell, components, what is pending, audit; or what differs between two."""
    with cell.guard(json=json):
        from ascend_wheelhouse.commands import show as command

        command.main(
            command.ShowOptions(
                root=root_of(c),
                wheelhouse=path_of(wheelhouse) or cell.request(),
                against=path_of(against),
                vulnerabilities=path_of(vulnerabilities),
                times=path_of(times),
                html=html or bool(out or times),
                out=path_of(out),
                whole=all,
                json=json,
            )
        )
