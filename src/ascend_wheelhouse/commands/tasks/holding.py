"""Tasks on what a project folder and the store hold: recipes, cached files, imported files."""

from __future__ import annotations

from pathlib import Path

from invoke.context import Context

from ascend_wheelhouse import console
from ascend_wheelhouse.commands.tasks.built_in import BUILT_IN
from ascend_wheelhouse.commands.tasks.flags import task
from ascend_wheelhouse.commands.tasks.making_words import CacheWords
from ascend_wheelhouse.commands.tasks.words import JSON, root_of


@task(help=JSON | {"schema": "write the JSON Schema of recipes and stacks for editors"})
def recipes(c: Context, json: bool = False, schema: bool = False) -> None:
    """Check every recipe and stack, and list them."""
    with console.main_guard(json=json):
        from ascend_wheelhouse.commands import recipes as command

        command.main(command.RecipesOptions(root=root_of(c), schema=schema, json=json))


@task(positional=["folder"], help=JSON | {"folder": "the new project folder"})
def init(_c: Context, folder: str, json: bool = False) -> None:
    """Make a project folder, whose own recipes and locks lie over those of this program."""
    with console.main_guard(json=json):
        from ascend_wheelhouse.commands import init as command

        command.main(command.InitOptions(folder=Path(folder), json=json))


@task(help=JSON)
def config(_c: Context, json: bool = False) -> None:
    """Show the default of each option, and where it comes from."""
    with console.main_guard(json=json):
        from ascend_wheelhouse.commands import config as command

        command.main(command.ConfigOptions(built_in=BUILT_IN, json=json))


@task(help=JSON | {"markdown": "print the table as the README has it"})
def stacks(c: Context, json: bool = False, markdown: bool = False) -> None:
    """Show which SGLang goes with which torch and CANN, and from where that is known."""
    with console.main_guard(json=json):
        from ascend_wheelhouse.commands import stacks as command

        command.main(command.StacksOptions(root=root_of(c), markdown=markdown, json=json))


@task(
    help=JSON
    | {
        "prune": "remove what no lock names and nobody imported; with --cache, from there in place of the store",
        "cache": "a shared cache to show or prune (may be repeated; those of WHEELHOUSE_CACHE are shown)",
        "keep": "days for which a shared cache keeps what no lock names; 90 when not given",
        "max-size": "remove the oldest there until its files take no more than, such as, 500G",
        "lock": "a folder of locks that name what stays, beside the project's (may be repeated)",
    },
    iterable=["cache", "lock"],
)
def cache(
    c: Context,
    json: bool = False,
    prune: bool = False,
    cache: list[str] | None = None,
    keep: str = "",
    max_size: str = "",
    lock: list[str] | None = None,
) -> None:
    """Show what the store and shared caches hold, or prune them."""
    with console.main_guard(json=json):
        from ascend_wheelhouse.commands import cache as command

        named = any(cache or ())
        retention = command.retention(keep, max_size)
        command.require_pruning(keep, max_size, prune=prune, named=named)
        command.main(
            command.CacheOptions(
                root=root_of(c),
                prune=prune,
                shared=CacheWords(cache=cache).choice(),
                prune_shared=named,
                retention=retention,
                locks=tuple(map(Path, filter(None, lock or ()))),
                json=json,
            )
        )


@task(
    positional=["file"],
    help=JSON
    | {
        "file": "a wheel, .run package, sdist, release zip or a folder of such files, a git clone or bundle, or the "
        "folder of a wheelhouse",
        "component": "whose it is, where its name does not say",
        "version": "the release that it is from, as stacks name it",
        "platform": "the architecture that it is for, where its name does not say",
        "npu": "the chip that it is for, where its name does not say",
        "cann": "the CANN that it is for, where its name does not say",
        "torch": "the torch that it is for, where its name does not say",
        "python": "the Python that it is for, such as 3.12, where its name does not say",
        "sha256": "the digest that it must have",
    },
)
def vendor(
    c: Context,
    file: str,
    component: str = "",
    version: str = "",
    platform: str = "",
    npu: str = "",
    cann: str = "",
    torch: str = "",
    python: str = "",
    sha256: str = "",
    json: bool = False,
) -> None:
    """Import files that could not be fetched (release archives are opened), or a whole wheelhouse."""
    with console.main_guard(json=json):
        from ascend_wheelhouse.cells.artefact_name import NameFacts
        from ascend_wheelhouse.cells.target import python_tag
        from ascend_wheelhouse.commands import vendor as command

        code = command.main(
            command.VendorOptions(
                root=root_of(c),
                file=Path(file),
                component=component,
                stated=NameFacts(
                    version=version,
                    machine=platform,
                    npu=npu,
                    cann=cann,
                    torch=torch,
                    python_tag=python_tag(python),
                ),
                sha256=sha256,
                json=json,
            )
        )
    if code:
        raise SystemExit(code)


@task(help={"remove": "take this file back: its name, or 12 digits of its sha256"} | JSON)
def vendored(_c: Context, remove: str = "", json: bool = False) -> None:
    """List the imported files, or take one back."""
    with console.main_guard(json=json):
        from ascend_wheelhouse.commands import vendored as command

        command.main(command.VendoredOptions(json=json, remove=remove))
