import json
import re
import shutil
import subprocess

import pytest

from ascend_wheelhouse.console import plan_view
from ascend_wheelhouse.console.plan_view import PlanRow

ROWS = [
    PlanRow(step="lock", component="", state="cached", reason="the committed lock fits"),
    PlanRow(
        step="fetch torch",
        component="torch",
        state="fetch",
        reason="not in the store",
        depends_on=("lock",),
        size=97_400_000,
    ),
    PlanRow(
        step="build sglang",
        component="sglang",
        state="build",
        reason='the recipe says "sdist" \\ first',
        depends_on=("lock", "fetch torch"),
    ),
    PlanRow(
        step="fetch cann-toolkit", component="cann-toolkit", state="pending", reason="no origin answered"
    ),
]
_STATEMENT = re.compile(
    r"""\s*(?:
        digraph\ \w+\ \{
      | \}
      | \w+=\w+;
      | node\ \[\w+=\w+\];
      | (?P<tail>"(?:[^"\\]|\\.)*")\ ->\ (?P<head>"(?:[^"\\]|\\.)*");
      | (?P<node>"(?:[^"\\]|\\.)*")\ \[(?:\w+=(?:\w+|"(?:[^"\\]|\\.)*")(?:,\ )?)+\];
    )""",
    re.VERBOSE,
)


def test_the_table_shows_state_size_and_reason_and_ends_with_sums(capsys: pytest.CaptureFixture[str]) -> None:
    plan_view.show(ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["fetch", "torch", "fetch", "97.4", "MB", "not", "in", "the", "store"]
    assert lines[-1] == "4 steps, cached 1, fetch 1, build 1, pending 1; 97.4 MB to fetch"


def test_the_document_holds_every_step_and_every_state(capsys: pytest.CaptureFixture[str]) -> None:
    plan_view.show(ROWS, "json")
    document = json.loads(capsys.readouterr().out)
    assert document["states"] == {"cached": 1, "fetch": 1, "build": 1, "pending": 1, "missing": 0}
    assert [PlanRow(**row | {"depends_on": tuple(row["depends_on"])}) for row in document["steps"]] == ROWS


def test_the_graph_is_one_statement_a_line_with_every_step_and_arrow() -> None:
    """Reads the graph back by the part of Graphviz' grammar that it uses."""
    statements = [_STATEMENT.fullmatch(line) for line in plan_view.as_dot(ROWS).splitlines()]
    assert all(statements)
    found = [match for match in statements if match]
    assert [match["node"] for match in found if match["node"]] == [f'"{row.step}"' for row in ROWS]
    arrows = [(match["tail"], match["head"]) for match in found if match["tail"]]
    assert arrows == [
        ('"lock"', '"fetch torch"'),
        ('"lock"', '"build sglang"'),
        ('"fetch torch"', '"build sglang"'),
    ]


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not on this host")
def test_graphviz_draws_the_graph() -> None:
    done = subprocess.run(
        ["dot", "-Tsvg"], input=plan_view.as_dot(ROWS), capture_output=True, text=True, check=True
    )
    assert done.stdout.count("<title>") == 1 + len(ROWS) + 3


def test_an_empty_plan_has_all_three_forms(capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("table", "json", "dot"):
        plan_view.show([], form)
    assert "0 steps" in capsys.readouterr().out
