"""The door that `nox -s verify` opens: parse, verify, print the table."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ascend_wheelhouse.errors import UsageError, WheelhouseError
from ascend_wheelhouse.node import cann, settings, supervise
from ascend_wheelhouse.node.probes import CATALOGUE
from ascend_wheelhouse.node.report import table
from ascend_wheelhouse.places import real
from ascend_wheelhouse.verify import environment, found, prepare


def _parser() -> argparse.ArgumentParser:
    names = [probe.name for probe in CATALOGUE]
    parser = argparse.ArgumentParser(
        prog="nox -s verify --", description="Verify a wheelhouse in a fresh environment."
    )
    parser.add_argument(
        "--wheelhouse", type=Path, help="its folder; the newest below ./wheelhouse by default"
    )
    parser.add_argument("--report", type=Path, help="where the reports go; ./verify-reports/NAME by default")
    parser.add_argument("--require-npu", action=argparse.BooleanOptionalAction, help="nothing may be skipped")
    parser.add_argument("--only", action="append", default=[], choices=names, metavar="PROBE")
    parser.add_argument("--without", action="append", default=[], choices=names, metavar="PROBE")
    parser.add_argument("--model", default="", help="folder of real weights for the server check")
    parser.add_argument(
        "--topology", default="single", help="which of the stack's serving topologies to start"
    )
    parser.add_argument("--standins", type=Path, help="folder of stand-in modules for serving on a CPU")
    parser.add_argument("--backend", choices=["uv", "pip"], help="what installs; uv where it is present")
    parser.add_argument("--keep", type=Path, help="a new folder in which the environment stays afterwards")
    parser.add_argument("--known", action="append", default=[], metavar="PROBE[/ITEM]=REASON")
    parser.add_argument("pytest", nargs="*", help="more arguments for pytest")
    return parser


def known_failures(words: Sequence[str]) -> dict[str, str]:
    """Read `PROBE[/ITEM]=REASON` pairs.

    Raises:
        UsageError: A pair has no reason.
    """
    pairs = {}
    for word in words:
        name, _, reason = word.partition("=")
        if not name or not reason:
            raise UsageError(f"--known {word!r} has no reason.", next_step="--known PROBE[/ITEM]=REASON")
        pairs[name] = reason
    return pairs


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify and return the exit code."""
    given = _parser().parse_args(arguments)
    supervise.leave_cleanly()
    try:
        return _run(given)
    except WheelhouseError as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is the door to a person
        return error.exit_code


def _run(given: argparse.Namespace) -> int:
    wheelhouse = found.find(given.wheelhouse, Path("wheelhouse"))
    require = bool(cann.look().devices) if given.require_npu is None else given.require_npu
    reports = given.report or Path("verify-reports") / wheelhouse.folder.name
    options = settings.Options(
        require_npu=require,
        only=tuple(given.only),
        without=tuple(given.without),
        model=given.model,
        topology=given.topology,
        known={**wheelhouse.known_failures, **known_failures(given.known)},
    )
    wanted = prepare.Wanted(
        wheelhouse=wheelhouse,
        options=options,
        standins=given.standins,
        reports=real(reports),
        backend=given.backend or ("uv" if environment.uv_command() else "pip"),
        store=prepare.default_store(),
        keep=_new_folder(given.keep),
        pytest=given.pytest,
    )
    report = prepare.verify(wanted, _say)
    _say(f"\n{table(report.results)}\n\nreport: {reports / 'report.html'}")
    return report.exit_code


def _new_folder(named: Path | None) -> Path | None:
    if named is not None and named.exists():
        raise UsageError(f"{named} exists.", next_step="--keep with the name of a new folder")
    return real(named) if named is not None else None


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - this is the door to a person


if __name__ == "__main__":
    raise SystemExit(main())
