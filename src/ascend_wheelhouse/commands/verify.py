"""`invoke verify-report` and `invoke doctor --emulation`: nodes' evidence on one page, what emulation lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.base.errors import HostUnfitError, UsageError
from ascend_wheelhouse.base.whole_file import write_whole
from ascend_wheelhouse.console.table import table
from ascend_wheelhouse.node.report import Report, read_report
from ascend_wheelhouse.verify import emulation, page

_NAMES = ("report.json", "*.verify.json")


class NoReportError(UsageError):
    """A folder holds no report of a verification, or a file is none."""


def report(folders: Sequence[Path], out: Path, *, json: bool) -> None:
    """Merge the reports below the folders into one HTML page."""
    with console.main_guard(json=json):
        reports = [_read(path) for folder in folders for path in _found(folder)]
        write_whole(out, page.render(reports))
        failed = [str(one.host.get("name", "")) for one in reports if one.exit_code]
        if json:
            console.print_json({"page": str(out), "reports": len(reports), "failed": failed})
        else:
            console.line(f"{out}: {len(reports)} reports, {len(failed)} failed")


def _found(folder: Path) -> list[Path]:
    paths = [folder] if folder.is_file() else sorted(path for name in _NAMES for path in folder.rglob(name))
    if not paths:
        raise NoReportError(
            f"{folder} holds no report.",
            next_step="nox -s verify, or install.py --verify on a node, writes one",
        )
    return paths


def _read(path: Path) -> Report:
    try:
        return read_report(path)
    except (OSError, ValueError) as error:
        raise NoReportError(
            f"{path} is not a report of a verification.",
            why=str(error),
            next_step="name the folders that nox -s verify or install.py --verify wrote",
        ) from error


def emulate(machine: str, *, json: bool) -> int:
    """Say what emulating a machine takes here and return the exit code: 10 where it cannot be done."""
    needs = emulation.needs(machine)
    missing = [need for need in needs if need.required and not need.present]
    if json:
        console.print_json([asdict(need) for need in needs])
    else:
        rows = [(need.name, "here" if need.present else "missing", need.package, need.why) for need in needs]
        table(("what", "state", "package", "what for"), rows)
    return HostUnfitError.exit_code if missing else 0
