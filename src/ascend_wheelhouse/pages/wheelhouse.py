"""The page of one wheelhouse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ascend_wheelhouse.console import words
from ascend_wheelhouse.pages.known import Matches
from ascend_wheelhouse.pages.picture import legend, picture
from ascend_wheelhouse.pages.render import anchor, compile_template, render
from ascend_wheelhouse.pages.view import WheelhouseView

if TYPE_CHECKING:
    from markupsafe import Markup

NAME = "wheelhouse.html"
_TEMPLATE = "wheelhouse.html.j2"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One word, the figures behind it, and how it is marked: `good`, `note`, `bad` or `calm`."""

    word: str
    counts: str
    mark: str


@dataclass(frozen=True, kw_only=True)
class PipelineStep:
    """One step of the pipeline: its name, what it gave, and `ok`, `warn` or nothing."""

    name: str
    lines: Sequence[str]
    state: str = "ok"


def prepare() -> None:
    """Compile the template ahead, so that the first page waits for less."""
    compile_template(_TEMPLATE)


def page(view: WheelhouseView, *, matches: Matches | None = None, chart: Markup | str = "") -> str:
    """Return the page.

    Args:
        view: The wheelhouse.
        matches: What a database of vulnerabilities says of it, where one was given.
        chart: A chart of the run's times, as `gantt.figure` gives it.
    """
    drawn = picture(view)
    findings = view.audit["findings"] if view.audit else []
    return render(
        _TEMPLATE,
        title=view.title,
        eyebrow="wheelhouse",
        lead=lead(view),
        view=view,
        total=sum(part.size for part in view.wheels),
        contents=_contents(view),
        verdict=verdict(view),
        known=known(matches),
        matches=matches,
        picture=drawn,
        legend=legend(drawn.boxes),
        steps=_steps(view),
        chart=chart,
        told=[one for one in findings if one["severity"] != "note"],
        noted=[one for one in findings if one["severity"] == "note"],
        here={part.name: f"wheel-{anchor(part.name)}" for part in view.wheels},
    )


def lead(view: WheelhouseView) -> str:
    """Return the state of a wheelhouse in one sentence."""
    state = (
        "complete"
        if not view.pending
        else f"incomplete: {words.counted(len(view.pending), 'component')} pending"
    )
    total = words.size(sum(part.size for part in view.wheels))
    return f"{words.counted(len(view.wheels), 'wheel')}, {total}, {state}."


def verdict(view: WheelhouseView) -> Verdict:
    """Return what the audit says in one word."""
    if view.audit is None:
        return Verdict(word="not run", counts="no report in this wheelhouse", mark="calm")
    counts = Counter(one["severity"] for one in view.audit["findings"])
    named = [(counts["error"], "defect"), (counts["warning"], "warning"), (counts["note"], "note")]
    told = ", ".join(words.counted(count, noun) for count, noun in named if count)
    if not view.audit["clean"]:
        return Verdict(word="defects", counts=told, mark="bad")
    word = "no defect" if counts["warning"] else "clean"
    return Verdict(word=word, counts=told or "nothing found", mark="good")


def known(matches: Matches | None) -> Verdict:
    """Return what a database says in one word."""
    if matches is None:
        return Verdict(word="not compared", counts="no database given", mark="calm")
    if not matches.found:
        return Verdict(
            word="none known", counts=f"of {words.counted(matches.records, 'record')}", mark="good"
        )
    wheels = len({one.name for one in matches.found})
    return Verdict(
        word=words.counted(len(matches.found), "vulnerability"),
        counts=f"in {words.counted(wheels, 'wheel')}",
        mark="bad",
    )


def _contents(view: WheelhouseView) -> list[tuple[str, str]]:
    found = {
        "cell": "What it is for",
        "pending": "Pending",
        "depends": "What depends on what",
        "pipeline": "How it was made",
        "components": "Components",
        "audit": "Audit",
        "vulnerabilities": "Known vulnerabilities",
        "provenance": "Provenance",
        "wheels": "All other wheels",
    }
    return [(key, text) for key, text in found.items() if key != "pending" or view.pending]


def _steps(view: WheelhouseView) -> list[PipelineStep]:
    built = [part for part in view.wheels if part.origin.startswith("built")]
    fetched = [part for part in view.parts if part not in built]
    said = verdict(view)
    return [
        PipelineStep(
            name="Lock",
            lines=_short({"lock": view.digests.get("lock", "")}, f"{len(view.parts)} files pinned"),
        ),
        PipelineStep(
            name="Fetch",
            lines=[words.counted(len(fetched), "file"), words.size(sum(part.size for part in fetched))]
            + ([f"{len(view.pending)} pending"] if view.pending else []),
            state="warn" if view.pending else "ok",
        ),
        PipelineStep(
            name="Build", lines=[f"{part.name} {part.version}" for part in built] or ["nothing to build"]
        ),
        PipelineStep(name="Lay out", lines=["index, lock files,", "manifest, checksums"]),
        PipelineStep(
            name="Audit",
            lines=[said.word, said.counts],
            state={"good": "ok", "bad": "warn", "calm": ""}[said.mark],
        ),
        PipelineStep(
            name="Bundle and install", lines=["one signed file,", "then install.py on a node"], state=""
        ),
    ]


def _short(digests: Mapping[str, str], first: str) -> list[str]:
    return [first, *(f"sha256 {digest[:12]}…" for digest in digests.values() if digest)]
