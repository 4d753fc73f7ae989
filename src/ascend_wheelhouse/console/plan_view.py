"""How a plan looks: a table with its sums for people, one JSON document, a graph in Graphviz' language DOT.

The rows come from `plan.py`; nothing here decides anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from ascend_wheelhouse import console
from ascend_wheelhouse.console import words

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
    """

    step: str
    component: str
    state: State
    reason: str
    depends_on: tuple[str, ...] = ()
    size: int | None = None


def show(rows: Sequence[PlanRow], form: Form = "table") -> None:
    """Print a plan to standard output in one of its three forms."""
    match form:
        case "table":
            console.table(
                ["step", "state", "size", "reason"],
                [[row.step, row.state, words.size(row.size), row.reason] for row in rows],
            )
            console.line(sums(rows))
        case "json":
            console.print_json(as_document(rows))
        case "dot":
            console.line(as_dot(rows))


def sums(rows: Sequence[PlanRow]) -> str:
    """Return one line: how many steps are in each state, and the bytes to fetch where they are known."""
    counts = Counter(row.state for row in rows)
    to_fetch = sum(row.size or 0 for row in rows if row.state == "fetch")
    parts = [f"{state} {counts[state]}" for state in STATES if counts[state]]
    return ", ".join([f"{len(rows)} step{'s' if len(rows) != 1 else ''}", *parts]) + (
        f"; {words.size(to_fetch)} to fetch" if to_fetch else ""
    )


def as_document(rows: Sequence[PlanRow]) -> dict[str, object]:
    """Return what `--json` prints: the steps in order, and how many are in each state."""
    counts = Counter(row.state for row in rows)
    return {
        "steps": [asdict(row) for row in rows],
        "states": {state: counts[state] for state in STATES},
    }


def as_dot(rows: Sequence[PlanRow]) -> str:
    """Return the plan as a directed graph; an arrow leads from a step to the one that needs it."""
    nodes = [_node(row) for row in rows]
    edges = [f"  {_quoted(before)} -> {_quoted(row.step)};" for row in rows for before in row.depends_on]
    return "\n".join(["digraph plan {", "  rankdir=LR;", "  node [shape=box];", *nodes, *edges, "}"])


def _node(row: PlanRow) -> str:
    label = _quoted(f"{row.step}\n{row.state}")
    return f"  {_quoted(row.step)} [label={label}, tooltip={_quoted(row.reason)}, {_NODE_STYLES[row.state]}];"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
