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


def test_the_table_shows_what_will_happen_and_ends_with_sums(capsys: pytest.CaptureFixture[str]) -> None:
    plan_view.show(ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "in the store already: 1 step, 0 B (--all lists them)"
    assert lines[3].split() == ["fetch", "torch", "fetch", "97.4", "MB", "not", "in", "the", "store"]
    assert lines[lines.index("cann-toolkit") + 1].split() == ["how", "no", "origin", "answered"]
    assert lines[-1] == "4 steps, cached 1, fetch 1, build 1, pending 1; 97.4 MB to fetch"


def test_the_whole_table_has_what_is_in_the_store_too(capsys: pytest.CaptureFixture[str]) -> None:
    plan_view.show(ROWS, whole=True)
    assert "lock          cached           the committed lock fits" in capsys.readouterr().out


def test_steps_that_differ_in_their_file_alone_are_one_box() -> None:
    wheels = [
        PlanRow(step=f"fetch {name}", component="", state="fetch", reason=name, size=5) for name in "abc"
    ]
    kept = PlanRow(step="fetch d", component="", state="cached", reason="d")
    last = PlanRow(
        step="assemble",
        component="",
        state="build",
        reason="",
        depends_on=("fetch a", "fetch b", "fetch c", "fetch d"),
    )
    drawn = plan_view.as_dot([*wheels, kept, last])
    assert '"fetch 3 more wheels" [label="fetch 3 more wheels\\nfetch", tooltip="a, b, c"' in drawn
    assert [line for line in drawn.splitlines() if "->" in line] == [
        '  "fetch 3 more wheels" -> "assemble";',
        '  "fetch d" -> "assemble";',
    ]


def test_the_document_holds_every_step_and_every_state(capsys: pytest.CaptureFixture[str]) -> None:
    plan_view.show(ROWS, "json")
    document = json.loads(capsys.readouterr().out)
    assert document["states"] == {"cached": 1, "fetch": 1, "build": 1, "pending": 1, "missing": 0}
    assert [
        PlanRow(**row | {"depends_on": tuple(row["depends_on"]), "trees": tuple(row["trees"])})
        for row in document["steps"]
    ] == ROWS


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
