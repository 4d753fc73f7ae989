"""`invoke vendor`: takes in a file that could not be fetched, or a whole wheelhouse."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ascend_wheelhouse import console
from ascend_wheelhouse.base import whole_file
from ascend_wheelhouse.base.packaged import lockfiles_of, recipes_of
from ascend_wheelhouse.cells.artefact_name import NameFacts
from ascend_wheelhouse.cells.compatibility import load_compatibility
from ascend_wheelhouse.cells.stack import load_catalogue
from ascend_wheelhouse.commands.vendored import tell
from ascend_wheelhouse.console.words import counted
from ascend_wheelhouse.handover.source_owner import Owner
from ascend_wheelhouse.handover.vendor import vendor_file
from ascend_wheelhouse.handover.vendor_folder import TakenFolder, files_in, take_folder
from ascend_wheelhouse.handover.vendor_source import is_source, vendor_source
from ascend_wheelhouse.handover.vendor_wheelhouse import vendor_wheelhouse
from ascend_wheelhouse.locks.lock import LockedSource, sources_in
from ascend_wheelhouse.locks.stated_cell import naming_cell
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.store.vendored import VendoredRecord

_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class VendorOptions:
    """What `invoke vendor` was asked for.

    Args:
        root: The project folder.
        file: The file, a folder of files, or the folder of a whole wheelhouse, which says everything itself.
        component: Whose it is, where its name does not say.
        stated: What a person says of it, where its name does not.
        sha256: The digest that it must have; any when empty.
        json: Print one JSON document.
    """

    root: Path
    file: Path
    component: str = ""
    stated: NameFacts = field(default_factory=NameFacts)
    sha256: str = ""
    json: bool = False


def main(options: VendorOptions) -> int:
    """Take in a file with what is said of it, a folder of files, a source in git, or a wheelhouse.

    Returns:
        The exit code: 0, or the gravest of the files of a folder that were refused.
    """
    if is_source(options.file):
        _keep_source(options)
    elif files_in(options.file):
        return _take_each(options)
    elif options.file.is_dir():
        _take_over(options)
    else:
        tell(_hand_over(options), json=options.json)
    return 0


def _take_each(options: VendorOptions) -> int:
    said = {"--component": options.component, "--version": options.stated.version, "--sha256": options.sha256}
    taken = take_folder(
        options.file,
        lambda path: _hand_over(replace(options, file=path)),
        [option for option, value in said.items() if value],
    )
    if options.json:
        console.print_json(taken.as_dict())
    else:
        _show_each(taken)
    return taken.exit_code


def _show_each(taken: TakenFolder) -> None:
    if taken.records:
        tell(taken.records, json=False)
    for _, error in taken.failed:
        console.print_error(error)
    if taken.passed:
        console.line(f"passed over, of no kind that is imported: {', '.join(taken.passed)}")
    names = f"; not imported: {', '.join(name for name, _ in taken.failed)}" if taken.failed else ""
    console.line(f"{counted(len(taken.records), 'file')} imported{names}")


def _take_over(options: VendorOptions) -> None:
    store = Store()
    with console.reporter("json" if options.json else "auto", stream=sys.stderr) as emit, store.in_use(emit):
        taken = vendor_wheelhouse(options.file, root=options.root, store=store, emit=emit)
    if options.json:
        console.print_json(taken.as_dict())
        return
    commits = counted(len(taken.commits), "git commit")
    there = f"{counted(taken.files, 'file')}, {taken.new} of them new, {commits}"
    console.line(f"{taken.wheelhouse}: {there}, are in the store")
    console.line(f"{'its' if taken.lock_put else 'the'} lock stands in {taken.lock}")
    console.line(f"Next: invoke wheelhouse --offline {taken.words}")
    console.line(f"or to build one component: invoke build COMPONENT --offline {taken.words}")


def _keep_source(options: VendorOptions) -> None:
    store = Store()
    with console.reporter("json" if options.json else "auto", stream=sys.stderr) as emit, store.in_use(emit):
        taken = vendor_source(
            options.file,
            store=store,
            wanted=named_commits(options.root),
            recipes=load_catalogue(recipes_of(options.root)).recipes,
            stated=Owner(component=options.component, version=options.stated.version),
        )
    if options.json:
        console.print_json(taken.as_dict())
        return
    for one in taken.kept:
        owner = one.owner
        whose = f"  {owner.component} {owner.version}".rstrip() if owner.component else ""
        console.line(f"{one.commit}  {one.path}{whose and '  ' + whose.strip()}")
        if owner.component and not owner.version:
            words = f"invoke vendor {shlex.quote(str(options.file))} --component {owner.component} --version RELEASE"
            console.line(f"no tag says which release of {owner.component} this is: {words}")
    if taken.changed:
        named = ", ".join(taken.changed[:_NAMED]) + (", ..." if len(taken.changed) > _NAMED else "")
        console.line(f"not imported: {len(taken.changed)} changes that the commit does not hold: {named}")
        console.line(f"commit them in {options.file}, then the same command again")
    for one in taken.lacking:
        console.line(
            f"not here: submodule {one.path}, commit {one.commit}: import its clone or bundle as well"
        )


def named_commits(root: Path) -> list[str]:
    """Return every commit that the compatibility table or a committed lock names."""
    rows = [row.commit for row in load_compatibility(recipes_of(root)).torch_npu if row.commit]
    for folder in lockfiles_of(root).every("*/"):
        with whole_file.reading(folder):
            for path in folder.glob("sources.*.toml"):
                platform = path.name.split(".")[1]
                with naming_cell(folder / f"pylock.{platform}.toml"):
                    sources = sources_in(folder, platform)
                tables = [table for source in sources for table in _trees(source)]
                rows += [module["commit"] for table in tables for module in table.get("modules", ())]
    return list(dict.fromkeys(rows))


def _trees(source: LockedSource) -> list[dict[str, Any]]:
    """Return each git tree that a build starts from: its own, and those that are placed in it."""
    placed = [row["git"] for row in source.build.get("repositories", ())]
    return [source.build.get("git") or {}, *placed]


def _hand_over(options: VendorOptions) -> Sequence[VendoredRecord]:
    store = Store()
    with console.reporter("plain", stream=sys.stderr) as emit, store.in_use(emit):
        return vendor_file(
            options.file,
            store=store,
            recipes=load_catalogue(recipes_of(options.root)).recipes,
            component=options.component,
            stated=options.stated,
            sha256=options.sha256,
            emit=emit,
        )
