import io

import pytest
from rich.cells import cell_len

from ascend_wheelhouse import console
from ascend_wheelhouse.console.table import layout

COLUMNS = ["component", "version", "what would supply it"]
ROWS = [
    ["cann-toolkit", "8.3.RC2", "invoke vendor with its run file"],
    ["torch", "2.8.0", ""],
]


def test_a_piped_table_is_aligned_plain_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    console.table(COLUMNS, ROWS)
    assert capsys.readouterr().out == (
        "component     version  what would supply it\n"
        "cann-toolkit  8.3.RC2  invoke vendor with its run file\n"
        "torch         2.8.0\n"
    )


@pytest.mark.parametrize("width", [40, 50, 60, 80])
def test_a_narrow_window_folds_the_last_column(width: int) -> None:
    text = layout(COLUMNS, ROWS, width=width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "\ncann-toolkit  8.3.RC2  " in text


def test_rows_that_folding_would_tear_become_paragraphs_with_whole_file_names() -> None:
    run = "Ascend-cann-toolkit_8.3.RC2_linux-aarch64.run"
    rows = [
        [
            "cann-toolkit",
            "no origin answered " * 4,
            f"download {run} where it can be had, then `invoke vendor FILE`",
        ]
    ]
    text = layout(["component", "why", "what supplies it"], rows, width=70)
    lines = text.splitlines()
    assert lines[0] == "cann-toolkit"
    assert lines[1].startswith("  why               no origin answered no origin")
    assert f"download {run}" in " ".join(text.split())
    assert max(len(line) for line in lines) <= 70


def test_records_in_a_pipe_fit_eighty_columns_and_keep_commands_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = "`invoke build sgl-kernel-npu --torch 2.8.0 --platform aarch64 --cann 8.3.RC2 --npu a3`"
    console.records(["component", "why", "from", "how"], [["nnal", "no origin " * 20, "", f"or {command}"]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "nnal"
    assert f"        {command}" in lines
    assert all(len(line) <= 80 for line in lines if command not in line)
    assert not any("from" in line for line in lines)


def test_paragraphs_in_a_narrow_window_stand_below_their_labels() -> None:
    text = layout(
        ["a", "why", "what supplies it"], [["nnal", "no origin " * 9, "invoke vendor " * 9]], width=50
    )
    assert text.startswith("nnal\n  why:\n    no origin no origin")
    assert max(len(line) for line in text.splitlines()) <= 50


def test_a_table_of_wide_columns_folds_them_too() -> None:
    text = layout(["a", "b"], [["word " * 9, "x"], ["y", "z"]], width=30)
    assert max(len(line) for line in text.splitlines()) <= 30


def test_letters_that_take_two_cells_keep_the_columns_below_each_other() -> None:
    rows = [["昇腾", "1", "芯片"], ["torch", "2", "x"]]
    assert layout(["name", "n", "what"], rows, width=80) == "name   n  what\n昇腾   1  芯片\ntorch  2  x"


def test_wide_letters_are_folded_to_the_cells_of_the_window() -> None:
    text = layout(["a", "b"], [["x", "昇腾 芯片 " * 9]], width=30)
    assert max(cell_len(line) for line in text.splitlines()) <= 30
    record = layout(["a", "why", "b"], [["x", "昇腾 芯片 " * 20, "昇腾 芯片 " * 20]], width=60)
    assert max(cell_len(line) for line in record.splitlines()) <= 60


def test_a_table_without_rows_is_its_heading() -> None:
    assert layout(["a", "b"], [], width=80) == "a  b"


def test_a_terminal_that_knows_it_gets_a_bold_heading_unless_no_color(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    bold, plain, dumb = Terminal(), Terminal(), Terminal()
    console.table(["a"], [["b"]], stream=bold)
    monkeypatch.setenv("NO_COLOR", "1")
    console.table(["a"], [["b"]], stream=plain)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    console.table(["a"], [["b"]], stream=dumb)
    assert bold.getvalue() == "\x1b[1ma\x1b[0m\nb\n"
    assert plain.getvalue() == dumb.getvalue() == "a\nb\n"
