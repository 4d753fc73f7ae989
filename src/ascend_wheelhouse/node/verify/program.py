"""Verify an installed environment on a node: `install.py --verify`, with nothing but the standard library.

The same probes as `nox -s verify` runs, one line each while they run, a table at the end, and `report.json`
as the evidence that is kept beside the receipt. On a node with NPUs nothing may be skipped.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import documents, last_line
from ..errors import HostUnfitError, UsageError, WheelhouseError
from ..given import CommandLine, read, require_sound
from ..install import own_python, receipt
from ..install.environment import Prefix
from ..install.receipt_file import RECEIPT
from ..layout import MANIFEST
from ..place import HOME
from ..plain import plain
from ..probes import CATALOGUE
from ..reading import contents
from ..scratch import scratch
from ..talk import Talk
from . import announced, runner, settings, several_nodes
from .place import remove_earlier, require_writable
from .report import Result, table
from .stubs import COMPILERS, build_stubs, plan_stubs

_UNTOUCHED = "The environment that was to be proven was not changed."


class NoEnvironmentError(UsageError):
    """What was named is no environment."""


class EnvironmentGoneError(HostUnfitError):
    """An environment was removed, or another one put in its place, while it was verified."""


class OtherWheelhouseError(UsageError):
    """An environment was installed from another wheelhouse than the one whose manifest was named."""


class NoManifestError(UsageError):
    """The manifest of the wheelhouse is not where it should be."""


def parser() -> CommandLine:
    """Return the command line."""
    names = [probe.name for probe in CATALOGUE]
    line = CommandLine(prog="install.py --verify", description="Run the probes on this node.")
    where = line.add_mutually_exclusive_group(required=True)
    where.add_argument("--prefix", type=Path, help="the folder that holds the environments")
    where.add_argument("--environment", type=Path, help="one environment")
    line.add_argument(
        "--manifest", type=Path, help="the wheelhouse's manifest.json; the one beside install.py by default"
    )
    line.add_argument(
        "--report", type=Path, help="where report.json goes; the environment's folder's parent by default"
    )
    line.add_argument("--require-npu", action=argparse.BooleanOptionalAction, help="nothing may be skipped")
    line.add_argument("--only", action="append", default=[], choices=names, metavar="PROBE")
    line.add_argument("--without", action="append", default=[], choices=names, metavar="PROBE")
    line.add_argument("--model", default="", help="a folder of real weights for the server check")
    line.add_argument("--topology", default="single", help="which of the stack's serving topologies to start")
    several_nodes.add_arguments(line)
    line.add_argument("--known", action="append", default=[], metavar="PROBE[/ITEM]=REASON")
    line.add_argument("--ascend", default="", help="the folder of CANN and NNAL, or CANN's own")
    line.add_argument("--standins", default="", help=argparse.SUPPRESS)
    line.add_argument("--json", action="store_true", help="answer with the report as one JSON object")
    return line


def main(argv: Sequence[str] | None = None) -> int:
    """Run the probes and return the exit code."""
    given = read(parser(), sys.argv[1:] if argv is None else argv)
    talk = Talk(as_json=given.json)
    try:
        require_sound(given)
        return _verify(given, talk)
    except WheelhouseError as error:
        return talk.fail(error)
    except OSError as error:
        return talk.fail(
            last_line.unfit(error, _UNTOUCHED, given.report or given.prefix or given.environment)
        )
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback on a node
        return talk.fail(last_line.fault(error, "verification", _UNTOUCHED))
    except KeyboardInterrupt as stop:
        return talk.stopped(stop, _UNTOUCHED)


def _verify(given: argparse.Namespace, talk: Talk) -> int:
    environment = _environment(given)
    written = given.manifest or HOME / MANIFEST
    manifest = read_manifest(written)
    place = (given.report or environment.parent).absolute()
    path = place / (f"{environment.name}.verify.json" if given.report is None else "report.json")
    require_writable(place)
    digest = hashlib.sha256(documents.bytes_of(written)).hexdigest()
    _require_installed_from(environment, written, digest)
    own_python.require(environment)
    installed = _installed_at(environment)

    def told(result: Result) -> None:
        _require_still(environment, installed)
        _tell(result, talk)

    with scratch(prefix="av-stubs-") as folder:
        report = runner.run_probes(
            environment,
            manifest,
            _options(given, manifest, environment, folder),
            digest=digest,
            say=told,
            begin=lambda: remove_earlier(path),
        )
    text = f"{report.head}\n{table(report.results)}\n\n{report.headline}".lstrip()
    try:
        report.write(path)
    except OSError:
        talk.note(f"{text}\nwarning: this is not kept: {path} cannot be written")  # it may have taken an hour
        raise
    talk.answer(f"{text}\nreport: {path}", report.as_dict())
    return report.exit_code


def _environment(given: argparse.Namespace) -> Path:
    """Return the environment that was named, or the one in use below the prefix."""
    named: Path = given.environment or Prefix.at(given.prefix).required()
    environment = Path(os.path.realpath(named))  # Path.resolve raises RuntimeError for a link to itself
    if not (environment / "lib").is_dir():
        raise NoEnvironmentError(
            f"{named} is no environment.",
            why="The path was mistyped, or an install into it was never finished.",
            next_step="--environment with the folder of an environment, or --prefix with the one of its install",
        )
    return environment


def _installed_at(environment: Path) -> tuple[bool, object]:
    """Return what tells an environment from another one at its place; the time in a receipt is one of whole seconds."""
    try:
        written: object = (environment / RECEIPT).stat().st_mtime_ns
    except FileNotFoundError:
        written = None
    return (environment / "lib").is_dir(), written


def _require_still(environment: Path, installed: tuple[bool, object]) -> None:
    """Hold an environment to being the one that the run began with: what a probe says of another is no evidence.

    Raises:
        EnvironmentGoneError: It is not.
    """
    if _installed_at(environment) != installed:
        raise EnvironmentGoneError(
            f"{environment} was removed or made anew while it was verified.",
            why="Another run of install.py uninstalled, or installed newer ones. No report is written: what the "
            "probes found is of neither.",
            next_step="once nobody else works in the prefix, the same command again",
        )


def _require_installed_from(environment: Path, written: Path, digest: str) -> None:
    """Hold a manifest to be that of the install, where a receipt says which that is.

    Raises:
        OtherWheelhouseError: It is another one.
    """
    wanted, own = receipt.recorded(environment).get("manifest", digest), environment / MANIFEST
    if wanted == digest:
        return
    kept = own.is_file() and hashlib.sha256(documents.bytes_of(own)).hexdigest() == wanted
    raise OtherWheelhouseError(
        f"{environment} was not installed from the wheelhouse of {written}.",
        why="The report would be of files that are not installed, though their versions may be the same.",
        next_step=f"--manifest {shlex.quote(str(own))}, or install the other wheelhouse first"
        if kept
        else receipt.again(environment),
    )


def read_manifest(path: Path) -> Mapping[str, Any]:
    """Read a wheelhouse's manifest.

    Raises:
        NoManifestError: There is none, or it is not one.
    """
    try:
        found: Mapping[str, Any] = documents.read_file(path, contents.SHAPE)
    except (OSError, documents.UnsoundError) as error:
        why = str(error)
    else:
        return found
    raise NoManifestError(
        f"{path} cannot be read as a wheelhouse's manifest.",
        why=why,
        next_step="--manifest WHEELHOUSE/manifest.json",
    )


def _options(
    given: argparse.Namespace, manifest: Mapping[str, Any], environment: Path, folder: Path
) -> settings.VerifyOptions:
    found = runner.look(environment, manifest, settings.VerifyOptions(ascend=given.ascend))
    require = found.real if given.require_npu is None else given.require_npu
    wanted = not found.toolkit and not (require and not found.devices)
    return settings.VerifyOptions(
        require_npu=require,
        only=tuple(given.only),
        without=tuple(given.without),
        model=given.model,
        topology=given.topology,
        stubs=_stubs(environment, folder) if wanted else "",
        standins=given.standins,
        nodes=several_nodes.nodes_of(given, parser()),
        ascend=given.ascend,
        known={
            **manifest.get("serving", {}).get("known_failures", {}),
            **announced.known_failures(given.known),
        },
    )


def _stubs(environment: Path, folder: Path) -> str:
    """Make stand-in CANN libraries where this node has a compiler, and return their folder or an empty text."""
    machine = platform.machine()
    compiler = next((found for name in COMPILERS.get(machine, ()) if (found := shutil.which(name))), "")
    site_packages = next(environment.glob("lib/python3.*/site-packages"), None)
    if not compiler or site_packages is None:
        return ""
    system = [Path(f"/lib/{machine}-linux-gnu"), Path(f"/usr/lib/{machine}-linux-gnu"), Path("/usr/lib64")]
    plan = plan_stubs(site_packages, system)
    try:
        if plan is not None:
            build_stubs(plan, folder, compiler)
            return str(folder)
    except subprocess.CalledProcessError as error:
        print(f"no stand-in CANN libraries: {plain(str(error.stderr)).strip()[-300:]}", file=sys.stderr)
    return ""


def _tell(result: Result, talk: Talk) -> None:
    talk.say(f"{result.probe}: {result.verdict}, {result.evidence[:160]}")
