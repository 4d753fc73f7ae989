"""`invoke verify-report`: the evidence of many nodes on one page."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.base.errors import UsageError, file_trouble
from ascend_wheelhouse.base.output_file import require_place, write_result
from ascend_wheelhouse.node.plain import one_line
from ascend_wheelhouse.node.verify.report import NewerSchemaError, Report, read_report
from ascend_wheelhouse.verify import page

_NAMES = ("report.json", "*.verify.json")


class NoReportError(UsageError):
    """A folder holds no report of a verification, or a file is none."""


class NewerReportError(UsageError):
    """A report of a verification was written by a newer version, whose schema this one does not know."""


@dataclass(frozen=True, kw_only=True)
class VerifyReportOptions:
    """What `invoke verify-report` was asked for.

    Args:
        folders: Where reports are, below them at any depth, or reports themselves.
        out: The page to write.
        json: Print one JSON document.
    """

    folders: tuple[Path, ...]
    out: Path
    json: bool = False


def main(options: VerifyReportOptions) -> None:
    """Merge the reports below the folders into one HTML page."""
    require_place(options.out, "--out", "nodes.html")
    reports: list[Report] = []
    for path in (path for folder in options.folders for path in _found(folder)):
        if (one := _read(path)) not in reports:  # a copy of it, or a folder within another that was named
            reports.append(one)
    write_result(options.out, page.render(reports))
    names = [(str(one.host.get("name", "")), one) for one in reports]
    failed = [name for name, one in names if one.exit_code]
    if options.json:
        nodes = [{"name": name, "outcome": one.outcome, **one.counts} for name, one in names]
        answer = {"page": str(options.out), "reports": len(reports), "failed": failed, "nodes": nodes}
        console.print_json(answer)
        return
    console.line(f"{options.out}: {page.lead(reports)}")
    for name, one in names:
        console.line(f"{one_line(name)}: {one.headline}")


def _found(folder: Path) -> list[Path]:
    walk = os.walk(folder, onerror=_unlisted)
    below = (Path(base, name) for base, _, names in walk for name in names)
    paths = [folder] if folder.is_file() else sorted(path for path in below if any(map(path.match, _NAMES)))
    if not paths:
        raise NoReportError(
            f"{folder} holds no report.",
            next_step="`nox -s verify`, or `install.py --verify` on a node, writes one",
        )
    return paths


def _unlisted(error: OSError) -> None:
    """Tell of a folder whose reports would be left out."""
    if not isinstance(error, FileNotFoundError):
        raise file_trouble(error) from error


def _read(path: Path) -> Report:
    try:
        return read_report(path)
    except NewerSchemaError as error:
        raise NewerReportError(
            f"{error}.",
            why="A newer version wrote it. What this one does not know would be left out without a word.",
            next_step="update ascend-wheelhouse to the version that made the wheelhouse; or leave the report away",
        ) from error
    except (OSError, ValueError) as error:
        raise NoReportError(
            f"{path} is not a report of a verification.",
            why=str(error),
            next_step="name the folders that `nox -s verify` or `install.py --verify` wrote",
        ) from error
