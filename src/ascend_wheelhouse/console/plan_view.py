"""How a plan looks: a table with its sums for people, one JSON document, a graph in Graphviz' language DOT.

The rows come from `plan.py`; nothing here decides anything.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal, get_args

from ascend_wheelhouse import console
from ascend_wheelhouse.console import words
from ascend_wheelhouse.console.tree_view import TreeRow, show_trees

State = Literal["cached", "fetch", "build", "pending", "missing"]
STATES: tuple[State, ...] = get_args(State)
Form = Literal["table", "json", "dot"]

_NODE_STYLES: dict[State, str] = {
    "cached": 'style=filled, fillcolor="gray92"',
    "fetch": 'style=filled, fillcolor="lightblue"',
    "build": 'style=filled, fillcolor="lightgoldenrod"',
    "pending": "style=dashed",
    "missing": 'style="dashed,bold"',
}


@dataclass(frozen=True, kw_only=True)
class PlanRow:
    """One step of a plan.

    Args:
        step: Its name, unique in the plan, such as `fetch torch`.
        component: The component that it works on.
        state: What will happen: taken from the store, fetched, built; or that nothing can be done yet.
        reason: Why that is so, one sentence.
        depends_on: The steps that come before it.
        size: Bytes that it moves, None where not known.
        trees: Kept trees that an incremental build of its component may go on in.
    """

    step: str
    component: str
    state: State
    reason: str
    depends_on: tuple[str, ...] = ()
    size: int | None = None
    trees: tuple[TreeRow, ...] = ()


def show(
    rows: Sequence[PlanRow],
    form: Form = "table",
    *,
    whole: bool = False,
    now: float = 0,
    notes: Sequence[str] = (),
) -> None:
    """Print a plan to standard output in one of its three forms.

    Args:
        rows: The plan.
        form: Which form.
        whole: In the table, list what is in the store already, too.
        now: Seconds since 1970, for the age of kept trees.
        notes: In the JSON document, what is to be known of the files.
    """
    match form:
        case "table":
            _show_table(rows, whole=whole, now=now)
        case "json":
            console.print_json(as_document(rows, notes))
        case "dot":
            console.line(as_dot(rows))


def _show_table(rows: Sequence[PlanRow], *, whole: bool, now: float) -> None:
    cached = [row for row in rows if row.state == "cached"]
    waiting = [row for row in rows if row.state == "pending"]
    shown = [row for row in rows if row not in waiting and (whole or row not in cached)]
    if cached and not whole:
        size = words.size(sum(row.size or 0 for row in cached))
        console.line(f"in the store already: {_steps(cached)}, {size} (--all lists them)\n")
    if shown:
        cells = [[row.step, row.state, words.size(row.size), row.reason] for row in shown]
        console.table(["step", "state", "size", "reason"], cells)
    if waiting:
        console.line("\nPending, the wheelhouse will be incomplete without them:")
        console.records(["component", "how"], [[row.component, row.reason] for row in waiting])
    if trees := [tree for row in rows for tree in row.trees]:
        console.line("\nKept by incremental builds, which go on in them:")
        show_trees(trees, now)
    if shown or waiting:
        console.line()
    console.line(sums(rows))


def sums(rows: Sequence[PlanRow]) -> str:
    """Return one line: how many steps are in each state, and the bytes to fetch where they are known."""
    counts = Counter(row.state for row in rows)
    to_fetch = sum(row.size or 0 for row in rows if row.state == "fetch")
    parts = [f"{state} {counts[state]}" for state in STATES if counts[state]]
    return ", ".join([_steps(rows), *parts]) + (f"; {words.size(to_fetch)} to fetch" if to_fetch else "")


def _steps(rows: Sequence[PlanRow]) -> str:
    return f"{len(rows)} step{'s' if len(rows) != 1 else ''}"


def as_document(rows: Sequence[PlanRow], notes: Sequence[str] = ()) -> dict[str, object]:
    """Return what `--json` prints: the steps in order, how many are in each state, and what to know of the files."""
    counts = Counter(row.state for row in rows)
    return {
        "steps": [asdict(row) for row in rows],
        "states": {state: counts[state] for state in STATES},
        "notes": list(notes),
    }


def as_dot(rows: Sequence[PlanRow]) -> str:
    """Return the plan as a directed graph; an arrow leads from a step to the one that needs it.

    Steps that differ in nothing but their file, such as the wheels that no recipe names, are one box.
    """
    rows = _grouped(rows)
    nodes = [_node(row) for row in rows]
    edges = [f"  {_quoted(before)} -> {_quoted(row.step)};" for row in rows for before in row.depends_on]
    return "\n".join(["digraph plan {", "  rankdir=LR;", "  node [shape=box];", *nodes, *edges, "}"])


def _grouped(rows: Sequence[PlanRow]) -> list[PlanRow]:
    needed_by: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        for before in row.depends_on:
            needed_by[before].add(row.step)
    groups: defaultdict[tuple[object, ...], list[PlanRow]] = defaultdict(list)
    for row in rows:
        alike = row.step.startswith("fetch ") and not (row.component and row.step == f"fetch {row.component}")
        after = frozenset(needed_by[row.step])
        groups[(row.component, row.state, row.depends_on, after) if alike else (row.step,)].append(row)
    made = {row.step: _box(group) for group in groups.values() for row in group}
    return [
        replace(
            _box(group),
            depends_on=tuple(dict.fromkeys(made[one].step for one in group[0].depends_on if one in made)),
        )
        for group in groups.values()
    ]


def _box(group: Sequence[PlanRow]) -> PlanRow:
    """Return a step that stands for several."""
    first = group[0]
    if len(group) == 1:
        return first
    what = f"{len(group)} files for {first.component}" if first.component else f"{len(group)} more wheels"
    reason = ", ".join(row.step.removeprefix("fetch ") for row in group)
    size = sum(row.size or 0 for row in group)
    return replace(first, step=f"fetch {what}", reason=reason, size=size)


def _node(row: PlanRow) -> str:
    label = _quoted(f"{row.step}\n{row.state}")
    return f"  {_quoted(row.step)} [label={label}, tooltip={_quoted(row.reason)}, {_NODE_STYLES[row.state]}];"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
