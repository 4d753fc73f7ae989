"""The pictures of the README: made from what is committed beside them, and free of what concerns one machine alone."""

import json
import os
import socket
import xml.etree.ElementTree as ET
from pathlib import Path

import draw
import pipeline
import pytest
import record

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "recording"
CAST = (FOLDER / "session.cast").read_text("utf-8")
COMMANDS = [line for line in (FOLDER / "session.txt").read_text("utf-8").splitlines() if line[0] != "#"]
LARGEST = 300_000
SVG = "{http://www.w3.org/2000/svg}"


def _screen(frame: tuple[draw.Row, ...]) -> list[str]:
    lines = []
    for row in frame:
        line = ""
        for column, text, _ in row:
            line = line.ljust(column) + text
        lines.append(line)
    return lines


def _recorded(command: str) -> str:
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color"}
    return record.cast(record.session([command], environment))


def test_the_picture_of_the_session_is_made_from_the_cast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`python docs/recording/draw.py docs/recording/session.cast docs/recording/session.svg` fixes it."""
    monkeypatch.setattr("sys.argv", ["draw.py", str(FOLDER / "session.cast"), str(tmp_path / "session.svg")])
    draw.main()
    assert (tmp_path / "session.svg").read_bytes() == (FOLDER / "session.svg").read_bytes()


def test_the_picture_of_the_pipeline_is_made_from_its_table() -> None:
    """`python docs/recording/pipeline.py docs/recording/pipeline.svg` fixes it."""
    assert pipeline.drawn() == (FOLDER / "pipeline.svg").read_text("utf-8")


@pytest.mark.parametrize("name", ["session.svg", "pipeline.svg"])
def test_a_picture_is_small_names_itself_and_fetches_nothing(name: str) -> None:
    data = (FOLDER / name).read_bytes()
    assert len(data) < LARGEST
    root = ET.fromstring(data)  # noqa: S314 - our own file
    assert root.find(f"{SVG}title") is not None
    links = [
        value for element in root.iter() for key, value in element.attrib.items() if key.endswith("href")
    ]
    assert [link for link in links if not link.startswith("#")] == []
    assert b"url(http" not in data


def test_the_session_is_that_of_the_commands_and_of_no_machine() -> None:
    size, shown = draw.frames(CAST)
    assert size == (record.COLUMNS, record.ROWS)
    texts = ["".join(_screen(frame)) for _, frame in shown]
    for command in COMMANDS:
        assert any(f"$ {command}" in text for text in texts)
    assert "Next, on a node: tar -xf" in texts[-1]
    for own in (f"{ROOT.parent}/", f"{Path.home()}/", socket.gethostname()):
        assert own not in CAST


def test_a_recording_has_what_a_command_prints_in_a_terminal_of_that_size() -> None:
    text = _recorded("stty size; test -t 1 && printf '\\033[31mred\\033[0m <\\n'")
    head, *events = [json.loads(line) for line in text.splitlines()]
    assert (head["version"], head["width"], head["height"]) == (2, record.COLUMNS, record.ROWS)
    assert [at for at, _, _ in events] == sorted(at for at, _, _ in events)
    _, shown = draw.frames(text)
    assert _screen(shown[-1][1])[1:4] == [f"{record.ROWS} {record.COLUMNS}", "red <", "$"]
    assert (0, "red", (draw.COLOURS["red"], False)) in shown[-1][1][2]


def test_pauses_of_a_recording_are_shortened() -> None:
    command = "printf a; sleep 3; printf b"
    end = json.loads(_recorded(command).splitlines()[-1])[0]
    assert end < len(command) * 0.045 + 2 + 0.5 + 3 * 0.5 + 4


def test_a_row_that_returns_is_drawn_once_and_signs_are_escaped() -> None:
    events = [[0.0, "o", "a<b"], [1.0, "o", "\r\nlast"], [2.0, "o", "\x1b[2J\x1b[Ha<b"], [3.0, "o", ""]]
    head = json.dumps({"version": 2, "width": 20, "height": 4})
    made = draw.drawn("\n".join([head, *map(json.dumps, events)]), "Told & shown")
    assert made.count(">a&lt;b</text>") == 1
    assert made.count('href="#r0"') == 3
    assert "<title>Told &amp; shown</title>" in made
    assert ".film{animation:play 3.00s" in made
