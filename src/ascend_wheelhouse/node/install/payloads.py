"""Huawei's `.run` packages beside the environment: looked at first, installed in order, never twice.

The manifest names the kinds of packages and how each is installed (they stand in the recipes, with their sources).
A file's name tells version, chip and machine; all are compared with the cell and the node, and each package checks
itself, before the first one is installed. What was installed is noted by digest in the Ascend folder, so that another
environment on the same node does not install it again.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import HostUnfitError, IntegrityError
from ..host.cann import look
from ..host.fitness import cell_words, no_program_runs
from ..host.host import Host
from ..host.node_environment import compute
from ..host.readiness import unpacking_place
from ..host.toolkits import find, numbers
from ..reading.contents import Contents, Entry, ManifestError
from ..seen import is_folder, is_there
from ..talk import Talk
from . import payload_notes
from .command import clean_environment, run_guarded


class WrongPayloadError(IntegrityError):
    """A payload does not belong to the cell or to this node."""


class NoRightToInstallError(HostUnfitError):
    """The user may not write into the Ascend folder."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of package, as the manifest describes it.

    Args:
        name: The component.
        names: Its file names as regular expressions with the groups `version` and `machine`, and the chip of each.
        order: Kinds with a lower number are installed first.
        flags: What installs it without questions.
        for_all: It knows `--install-for-all`.
        of_cann: Its version is CANN's.
        into: Folder below CANN's own that it is installed into; empty for the Ascend folder.
    """

    name: str
    names: tuple[tuple[str, str], ...]
    order: int
    flags: tuple[str, ...]
    for_all: bool
    of_cann: bool
    into: str


def kinds_of(contents: Contents) -> list[Kind]:
    """Return the kinds that the manifest names.

    Raises:
        ManifestError: One lacks a field.
    """
    try:
        return [_kind(item) for item in contents.packages]
    except (KeyError, TypeError, ValueError) as error:
        raise ManifestError(
            f"manifest.json describes a package wrongly: {error!r}.", next_step="copy the wheelhouse again"
        ) from error


def _kind(item: Mapping[str, Any]) -> Kind:
    return Kind(
        name=str(item["component"]),
        names=tuple((str(name["pattern"]), str(name["npu"])) for name in item["names"]),
        order=int(item["order"]),
        flags=tuple(map(str, item["flags"])),
        for_all=bool(item["for_all"]),
        of_cann=bool(item["of_cann"]),
        into=str(item["into"]),
    )


@dataclass(frozen=True, kw_only=True)
class Payload:
    """One package: its entry, its kind, what its name says, why it need not be installed, if so, and what was noted."""

    entry: Entry
    kind: Kind
    version: str
    chip: str
    machine: str
    standing: str = ""
    noted: object = None


def identify(entry: Entry, kinds: Sequence[Kind]) -> Payload:
    """Read a package's file name.

    Raises:
        WrongPayloadError: It is not one of those that the manifest names.
    """
    name = entry.path.rpartition("/")[2]
    for kind in kinds:
        for pattern, chip in kind.names:
            if found := re.fullmatch(pattern, name):
                told = found.groupdict(default="")
                return Payload(
                    entry=entry,
                    kind=kind,
                    version=told.get("version", ""),
                    chip=chip,
                    machine=told.get("machine", ""),
                )
    raise WrongPayloadError(
        f"{name} is not a payload that this wheelhouse knows.",
        why=f"Known are packages of {', '.join(kind.name for kind in kinds) or 'nothing'}, by their names upstream.",
        next_step="give the file the name it has upstream",
    )


def plan(contents: Contents, host: Host) -> list[Payload]:
    """Return the packages in the order of their installation, those that stand already marked so.

    Raises:
        WrongPayloadError: One does not belong to the cell or the node; the text names each.
    """
    entries = [entry for entry in contents.of_kind("payload") if entry.path.endswith(".run")]
    kinds = kinds_of(contents)
    found = sorted((identify(entry, kinds) for entry in entries), key=lambda item: item.kind.order)
    problems = [problem for item in found for problem in _misfits(item, contents.cell, host)]
    if problems:
        raise WrongPayloadError(
            "A payload does not fit; nothing was installed.",
            why="\n".join(problems),
            next_step=f"make the wheelhouse for this node: invoke wheelhouse {cell_words(host, contents.cell)}",
        )
    notes, cann = payload_notes.read(host.ascend), contents.cell.get("cann", "")
    return [
        replace(item, standing=_standing(item, host, notes, cann), noted=notes.get(item.entry.sha256))
        for item in found
    ]


def _misfits(item: Payload, cell: Mapping[str, str], host: Host) -> list[str]:
    cann, chip = cell.get("cann", ""), cell.get("npu", "")
    facts = [
        ("machine", item.machine, host.machine, "this node"),
        ("chip", item.chip, chip, "the cell"),
        ("chip", item.chip, host.chip or "", "this node"),
        ("version", item.version if item.kind.of_cann else "", cann, "the cell"),
    ]
    return [
        f"{item.entry.path}: {name} {told}, {whose} has {wanted}"
        for name, told, wanted, whose in facts
        if told and wanted and told.lower() != wanted.lower()
    ]


def _standing(item: Payload, host: Host, notes: Mapping[str, object], cann: str) -> str:
    """Say why a package need not be installed; empty where it must, also where what was installed is gone again."""
    if payload_notes.is_begun(notes, item.entry):
        return ""
    found = {"cann-toolkit": host.cann, "nnal": host.nnal}.get(item.kind.name)
    if found and found == item.version:
        return f"version {found} stands there"
    there = any(not one or not cann or numbers(one) == numbers(cann) for one in host.canns)
    if item.kind.name == "nnal":
        there = there and is_folder(host.ascend / "nnal")
    return "installed by an earlier run" if there and item.entry.sha256 in notes else ""


def install(
    payloads: Sequence[Payload], *, folder: Path, ascend: Path, cann: str, env: Path, log: Path, talk: Talk
) -> list[str]:
    """Check every package that does not stand yet, then install them; return one line for each.

    Args:
        payloads: What `plan` returned.
        folder: The wheelhouse.
        ascend: Where CANN goes.
        cann: The version of CANN that the cell names.
        env: The new environment: CANN's tools look for Python modules at install.
        log: Where the packages' output goes.
        talk: Told what is being done.

    Raises:
        NoRightToInstallError: The user may not write there.
        InstallCommandFailedError: A package found itself damaged, or could not be installed.
    """
    missing = [item for item in payloads if not item.standing]
    if not missing:
        return _told(payloads)
    _require_right(ascend)
    _tell_closed(unpacking_place(), talk)
    bare = clean_environment({"PATH": f"{env / 'bin'}:{os.environ.get('PATH', os.defpath)}"})
    with payload_notes.claimed(ascend, talk):
        notes = payload_notes.read(ascend)
        found = [
            item if item.standing else replace(item, standing=_meanwhile(item, notes)) for item in payloads
        ]
        due = [item for item in found if not item.standing]
        for item in due:
            run_guarded([_shell(), folder / item.entry.path, "--check"], log=log, env=bare)
        for item in due:
            talk.say(f"installing {item.entry.path}")
            words: list[str | Path] = [
                _shell(),
                folder / item.entry.path,
                *arguments(item.kind, ascend, cann),
            ]
            payload_notes.begin(ascend, item.entry)
            run_guarded(words, log=log, env=_surroundings(item, bare, ascend, cann, env))
            payload_notes.end(ascend, item.entry)
    return _told(found)


def _tell_closed(place: Path, talk: Talk) -> None:
    """Say beforehand where the packages' own installers may not run."""
    if is_there(place) and no_program_runs(place):
        talk.say(
            f"warning: no program may run below {place}, where packages unpack themselves; "
            "should one end with `Permission denied`: export TMPDIR=/var/tmp, then the same command"
        )


def _told(payloads: Sequence[Payload]) -> list[str]:
    return [f"{item.entry.path}: {item.standing or 'installed'}" for item in payloads]


def _meanwhile(item: Payload, notes: Mapping[str, object]) -> str:
    """Say whether another run has installed a package since `plan` looked."""
    same = notes.get(item.entry.sha256) == item.noted or payload_notes.is_begun(notes, item.entry)
    return "" if same else "installed by another run meanwhile"


def _shell() -> str:
    return shutil.which("bash") or "sh"


def _surroundings(
    item: Payload, bare: Mapping[str, str], ascend: Path, cann: str, env: Path
) -> Mapping[str, str]:
    """Return the variables that a package is installed with: all but the toolkit want the toolkit's."""
    if item.kind.name == "cann-toolkit":
        return bare
    found = look(cann, named=str(ascend), environment=bare)
    return {**bare, **compute(found, env, inherited=bare).variables}


def arguments(kind: Kind, ascend: Path, cann: str = "") -> list[str]:
    """Return a package's arguments for a silent install into `ascend`, beside or into the toolkit `cann`."""
    if kind.into:
        return [*kind.flags, f"--install-path={cann_home(ascend, cann)}/{kind.into}"]
    everybody = ["--install-for-all"] if kind.for_all and os.geteuid() == 0 else []
    return [*kind.flags, *everybody, f"--install-path={ascend}"]


def cann_home(ascend: Path, cann: str) -> Path:
    """Return the folder of the CANN that the cell names: `cann-VERSION` from 8.5 on, else `ascend-toolkit/latest`."""
    toolkit = find(ascend).chosen(cann)
    return toolkit.home if toolkit else ascend / "ascend-toolkit/latest"


def _require_right(ascend: Path) -> None:
    try:
        ascend.mkdir(parents=True, exist_ok=True)
        if not os.access(ascend, os.W_OK | os.X_OK):
            raise PermissionError
    except OSError as error:
        raise NoRightToInstallError(
            f"You may not write into {ascend}.",
            why="CANN for all users needs root; an ordinary user may have their own.",
            next_step="--ascend ~/Ascend, or the same command with sudo",
        ) from error
