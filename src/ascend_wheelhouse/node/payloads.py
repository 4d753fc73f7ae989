"""Huawei's `.run` packages beside the environment: looked at first, installed in order, never twice.

The file names tell component, version, chip and machine; all are compared with the cell and the node, and
each package checks itself, before the first one is installed. What was installed is noted by digest in the
Ascend folder, so that another environment on the same node does not install it again. Order and flags: the
guide, and the image recipes of SGLang and vllm-ascend; `--whitelist=nnrt` of Huawei's inference images is
left out because, by what those images are for, it leaves out the compilers that Triton needs (inferred).
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from . import documents
from .command import clean_environment, run
from .contents import Contents, Entry
from .errors import HostUnfitError, IntegrityError
from .host import Host
from .talk import Talk

NOTES = ".sglang-npu-payloads.json"
_CHIPS = {"a3": "a3", "atlas-a3": "a3", "910c": "a3", "910_93": "a3", "910b": "910b", "a2": "910b"}
_FLAGS = ("--quiet", "--install", "--force")


class WrongPayloadError(IntegrityError):
    """A payload does not belong to the cell or to this node."""


class NoRightToInstallError(HostUnfitError):
    """The user may not write into the Ascend folder."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of package: how its file is named and how it is installed.

    Args:
        name: The component.
        pattern: Its file names; groups `version`, `chip` and `machine`.
        flags: What installs it without questions.
        for_all: It knows `--install-for-all`.
        of_cann: Its version is CANN's.
    """

    name: str
    pattern: str
    flags: tuple[str, ...] = _FLAGS
    for_all: bool = True
    of_cann: bool = True


KINDS = (
    Kind(name="toolkit", pattern=r"Ascend-cann-toolkit_(?P<version>[^_]+)_linux-(?P<machine>\w+)\.run"),
    Kind(
        name="kernels",
        pattern=r"Ascend-cann-kernels-(?P<chip>\w+?)_(?P<version>[^_]+)_linux(-(?P<machine>\w+))?\.run",
    ),
    Kind(
        name="kernels",
        pattern=r"Ascend-cann-(?P<chip>[\w-]+)-ops_(?P<version>[^_]+)_linux-(?P<machine>\w+)\.run",
    ),
    Kind(
        name="nnal",
        pattern=r"Ascend-cann-nnal_(?P<version>[^_]+)_linux-(?P<machine>\w+)\.run",
        flags=("--quiet", "--install"),
    ),
    Kind(
        name="bisheng",
        pattern=r"Ascend-BiSheng-toolkit_(?P<machine>aarch64|x86_64)(_(?P<version>\w+))?\.run",
        flags=("--install",),
        for_all=False,
        of_cann=False,
    ),
    Kind(
        name="custom-ops",
        pattern=r"CANN-custom_ops-(?P<version>[^-]+)-(?P<chip>\w+)-linux\.(?P<machine>\w+)\.run",
        flags=("--quiet",),
        for_all=False,
        of_cann=False,
    ),
)
_ORDER = ("toolkit", "kernels", "nnal", "bisheng", "custom-ops")


@dataclass(frozen=True, kw_only=True)
class Payload:
    """One package: its entry, its kind, what its name says, and why it need not be installed, if so."""

    entry: Entry
    kind: Kind
    version: str
    chip: str
    machine: str
    standing: str = ""


def identify(entry: Entry) -> Payload:
    """Read a package's file name.

    Raises:
        WrongPayloadError: It is not one of those that the installer knows.
    """
    name = entry.path.rpartition("/")[2]
    for kind in KINDS:
        found = re.fullmatch(kind.pattern, name)
        if found:
            groups = {"version": "", "chip": "", "machine": ""} | found.groupdict(default="")
            chip = _CHIPS.get(groups["chip"].lower(), groups["chip"])
            return Payload(
                entry=entry, kind=kind, version=groups["version"], chip=chip, machine=groups["machine"]
            )
    raise WrongPayloadError(
        f"{name} is not a payload that this installer knows.",
        why=f"Known are {', '.join(_ORDER)} packages, by their names upstream.",
        next_step="give the file the name it has upstream",
    )


def plan(contents: Contents, host: Host) -> list[Payload]:
    """Return the packages in the order of their installation, those that stand already marked so.

    Raises:
        WrongPayloadError: One does not belong to the cell or the node; the text names each.
    """
    entries = [entry for entry in contents.of_kind("payload") if entry.path.endswith(".run")]
    found = sorted((identify(entry) for entry in entries), key=lambda item: _ORDER.index(item.kind.name))
    problems = [problem for item in found for problem in _misfits(item, contents.cell, host)]
    if problems:
        raise WrongPayloadError(
            "A payload does not fit; nothing was installed.",
            why="\n".join(problems),
            next_step="make the wheelhouse for this cell: invoke wheelhouse --npu ... --cann ...",
        )
    notes = read_notes(host.ascend)
    return [replace(item, standing=_standing(item, host, notes)) for item in found]


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


def _standing(item: Payload, host: Host, notes: Mapping[str, object]) -> str:
    if item.entry.sha256 in notes:
        return "installed by an earlier run"
    found = {"toolkit": host.cann, "nnal": host.nnal}.get(item.kind.name)
    return f"version {found} stands there" if found and found == item.version else ""


def read_notes(ascend: Path) -> dict[str, object]:
    """Return what earlier runs installed, by digest."""
    try:
        notes: dict[str, object] = documents.read((ascend / NOTES).read_bytes(), {})
    except (OSError, documents.UnsoundError):
        return {}
    return notes


def install(
    payloads: Sequence[Payload], *, folder: Path, ascend: Path, env: Path, log: Path, talk: Talk
) -> list[str]:
    """Check every package that does not stand yet, then install them; return one line for each.

    Args:
        payloads: What `plan` returned.
        folder: The wheelhouse.
        ascend: Where CANN goes.
        env: The new environment: CANN's tools look for Python modules at install.
        log: Where the packages' output goes.
        talk: Told what is being done.

    Raises:
        NoRightToInstallError: The user may not write there.
        CommandFailedError: A package found itself damaged, or could not be installed.
    """
    missing = [item for item in payloads if not item.standing]
    if missing:
        _require_right(ascend)
    surroundings = clean_environment({"PATH": f"{env / 'bin'}:{os.environ.get('PATH', os.defpath)}"})
    for item in missing:
        run([_shell(), folder / item.entry.path, "--check"], log=log, env=surroundings)
    for item in missing:
        talk.say(f"installing {item.entry.path}")
        words: list[str | Path] = [_shell(), folder / item.entry.path, *arguments(item.kind, ascend)]
        script = [] if item.kind.name == "toolkit" else [_shell(), "-c", _with_cann(ascend), "run"]
        run([*script, *words], log=log, env=surroundings)
        _note(ascend, item)
    return [f"{item.entry.path}: {item.standing or 'installed'}" for item in payloads]


def _shell() -> str:
    return shutil.which("bash") or "sh"


def _with_cann(ascend: Path) -> str:
    """Return a script that runs its arguments with the toolkit's variables: all but the toolkit want them."""
    files = " ".join(f"'{ascend / name}/set_env.sh'" for name in ("cann", "ascend-toolkit"))
    return f'for f in {files}; do if [ -f "$f" ]; then . "$f"; break; fi; done; "$@"'


def arguments(kind: Kind, ascend: Path) -> list[str]:
    """Return a package's arguments for a silent install into `ascend`."""
    if kind.name == "custom-ops":
        return [*kind.flags, f"--install-path={cann_home(ascend)}/opp"]
    everybody = ["--install-for-all"] if kind.for_all and os.geteuid() == 0 else []
    return [*kind.flags, *everybody, f"--install-path={ascend}"]


def cann_home(ascend: Path) -> Path:
    """Return CANN's own folder: `cann` from 8.5 on, `ascend-toolkit/latest` before."""
    newer = ascend / "cann"
    return newer if newer.is_dir() else ascend / "ascend-toolkit/latest"


def _require_right(ascend: Path) -> None:
    try:
        ascend.mkdir(parents=True, exist_ok=True)
        (ascend / f"{NOTES}.new").touch()
    except OSError as error:
        raise NoRightToInstallError(
            f"You may not write into {ascend}.",
            why="CANN for all users needs root; an ordinary user may have their own.",
            next_step="--ascend ~/Ascend, or the same command with sudo",
        ) from error


def _note(ascend: Path, item: Payload) -> None:
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    notes = read_notes(ascend) | {item.entry.sha256: {"path": item.entry.path, "installed_at": now}}
    fresh = ascend / f"{NOTES}.new"
    fresh.write_text(json.dumps(notes, indent=1, sort_keys=True))
    fresh.replace(ascend / NOTES)
