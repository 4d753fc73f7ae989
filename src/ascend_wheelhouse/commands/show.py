"""`invoke show`: a wheelhouse, or two side by side, in the terminal, as JSON or as a page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.base import occupied
from ascend_wheelhouse.base.errors import WheelhouseError
from ascend_wheelhouse.base.events import silent
from ascend_wheelhouse.base.output_file import require_place, write_result
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.console import words
from ascend_wheelhouse.folder.manifest import telling
from ascend_wheelhouse.make.asked_cell import cell_of
from ascend_wheelhouse.make.outdated import OutdatedWheelhouseError, require_current
from ascend_wheelhouse.make.project_folder import ProjectFolder
from ascend_wheelhouse.pages import comparison, gantt, known, trace, wheelhouse
from ascend_wheelhouse.pages.comparison import SideBySide, compared, difference
from ascend_wheelhouse.pages.known import Match, Matches
from ascend_wheelhouse.pages.view import Part, WheelhouseView, read_view


@dataclass(frozen=True, kw_only=True)
class ShowOptions:
    """What `invoke show` was asked for.

    Args:
        root: The project folder.
        wheelhouse: The folder, or the cell whose wheelhouse stands in the project folder.
        against: The wheelhouse to compare it with.
        vulnerabilities: An export of the OSV database.
        times: A trace of the run that made it, for a chart in the page.
        html: Write a page.
        out: Where the page goes; beside where one stands when None.
        whole: In the terminal, list the wheels that no recipe names, too.
        json: Print one JSON document.
    """

    root: Path
    wheelhouse: Path | Request
    against: Path | None = None
    vulnerabilities: Path | None = None
    times: Path | None = None
    html: bool = False
    out: Path | None = None
    whole: bool = False
    json: bool = False


def main(options: ShowOptions) -> None:
    """Show it.

    Raises:
        NotAWheelhouseError: A folder holds none.
        BadVulnerabilitiesError: The database is none.
        BadTraceError: The trace is none.
        OutputUnwritableError: The page cannot be written.
    """
    if options.html:
        require_place(options.out, "--out", "page.html")
    folder = _folder(options)
    view = _read(folder)
    _tell_outdated(options, folder)
    if options.against is not None:
        _compare(options, compared(_read(options.against), view))
        return
    matches = None
    if options.vulnerabilities is not None:
        matches = known.compare(options.vulnerabilities, view.wheels)
    page = ""
    if options.html:
        chart = gantt.figure(trace.read(options.times)) if options.times else ""
        text = wheelhouse.page(view, matches=matches, chart=chart)
        page = _written(options, f"{view.title}.html", text)
    if options.json:
        found = None if matches is None else asdict(matches)
        console.print_json({"wheelhouse": view.as_dict(), "vulnerabilities": found, "page": page})
    elif page:
        console.line(f"{page}: {wheelhouse.lead(view)}")
        _show_matches(matches)
    else:
        _show(view, matches, whole=options.whole)


def _folder(options: ShowOptions) -> Path:
    if isinstance(options.wheelhouse, Path):
        return options.wheelhouse
    cell = cell_of(options.wheelhouse, ProjectFolder.load(options.root))
    return options.root / "wheelhouse" / cell.name


def _tell_outdated(options: ShowOptions, folder: Path) -> None:
    """Say of a cell's wheelhouse that the stack or the lock was changed since; a folder is shown as what it is."""
    if isinstance(options.wheelhouse, Path):
        return
    project = ProjectFolder.load(options.root)
    cell = cell_of(options.wheelhouse, project)
    try:
        require_current(folder, cell, project, silent)
    except OutdatedWheelhouseError as error:
        console.aside(f"warning: {error.what} `invoke wheelhouse {cell.words}` makes it anew.")
    except WheelhouseError as error:
        error.for_cell(cell.words)
        console.aside(f"warning: {error.what} Next: {error.next_step}")


def _read(folder: Path) -> WheelhouseView:
    if not folder.is_dir():
        return read_view(folder)
    with occupied.reading(folder, silent), telling(folder):
        return read_view(folder)


def _written(options: ShowOptions, name: str, text: str) -> str:
    path = options.out or Path(name)
    require_place(path, "--out", "/tmp/page.html")  # noqa: S108 - an example of a folder that all may write to
    write_result(path, text)
    return str(path)


def _show(view: WheelhouseView, matches: Matches | None, *, whole: bool) -> None:
    console.prose(f"{view.title}: {wheelhouse.lead(view)}")
    console.prose(", ".join(f"{name} {value}" for name, value in view.facts.items()))
    console.line()
    rows = [_row(part) for part in (view.parts if whole else view.named)]
    if view.others and not whole:
        size = words.size(sum(part.size for part in view.others))
        rows.append([words.counted(len(view.others), "more wheel"), "", "", size, "--all lists them"])
    console.table(["name", "version", "origin", "size", "licence"], rows)
    if view.pending:
        console.line("\nPending, the wheelhouse is incomplete without them:")
        told = [[one.name, one.reason, " ".join(one.urls), one.supply] for one in view.pending]
        console.records(["component", "why", "from", "how"], told)
    said = wheelhouse.verdict(view)
    console.line(f"\naudit: {said.word} ({said.counts})")
    _show_matches(matches)
    console.records(["of", "sha256"], [[name, digest] for name, digest in view.digests.items()])


def _row(part: Part) -> list[str]:
    return [part.name, part.version, part.origin, words.size(part.size), part.licence or "not declared"]


def _show_matches(matches: Matches | None) -> None:
    if matches is None:
        return
    said = wheelhouse.known(matches)
    console.line(f"vulnerabilities: {said.word} {said.counts}. {matches.told}")
    if matches.warning:
        console.line(f"warning: {matches.warning}")
    if matches.found:
        rows = [_match_row(one) for one in matches.found]
        console.table(["wheel", "record", "fixed in", "severity", "what"], rows)


def _match_row(match: Match) -> list[str]:
    one = match.known
    fixed = ", ".join(one.fixed) or "none is known"
    what = "; ".join(filter(None, ("malware" if one.malicious else "", one.summary)))
    return [f"{match.name} {match.version}", one.id, fixed, one.severity, what]


def _compare(options: ShowOptions, found: SideBySide) -> None:
    page = ""
    if options.html:
        page = _written(options, "comparison.html", comparison.page(found))
    if options.json:
        console.print_json({"comparison": found.as_dict(), "page": page})
        return
    if page:
        console.line(f"{page}: {found.lead}")
        return
    console.line(f"{found.after} against {found.before}: {found.lead}\n")
    if found.cell:
        console.table(["cell", "before", "after"], [[one.name, one.before, one.after] for one in found.cell])
        console.line()
    if found.parts:
        rows = [
            [one.name, comparison.MEANINGS[one.kind], one.before, one.after, difference(one.grows)]
            for one in found.parts
        ]
        console.table(["name", "what", "before", "after", "size"], rows)
    for label, names in (("newly pending", found.newly_pending), ("no longer pending", found.supplied)):
        if names:
            console.line(f"{label}: {', '.join(names)}")
