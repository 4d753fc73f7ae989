from __future__ import annotations

import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from page_reading import Page

from ascend_wheelhouse.base.events import Event, JobFinished, JobStarted, Note, Stage, Worked
from ascend_wheelhouse.base.output_file import OutputUnwritableError
from ascend_wheelhouse.base.timed import timed
from ascend_wheelhouse.pages import gantt, trace
from ascend_wheelhouse.pages.profile import profiled
from ascend_wheelhouse.pages.recorder import KINDS, Recorder, TimedSpan, in_lanes

HOSTILE = "<script>alert(1)</script>"
few = settings(max_examples=40, deadline=None, derandomize=True, database=None)
seconds = st.floats(0, 1000, allow_nan=False).map(lambda value: round(value, 3))
spans = st.builds(
    lambda kind, name, began, took: TimedSpan(
        kind=kind, name=name, began=began, ended=round(began + took, 3)
    ),
    st.sampled_from(KINDS),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8),
    seconds,
    seconds,
)


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        """Return what it shows."""
        return self.at


def recorded(*steps: tuple[float, Event]) -> tuple[TimedSpan, ...]:
    """Return the spans of events that come at these seconds of a run that ends at 10."""
    clock = Hands()
    recorder = Recorder(lambda _: None, clock=clock)
    for at, event in steps:
        clock.at = 100 + at
        recorder(event)
    clock.at = 110
    return recorder.close()


def told(found: tuple[TimedSpan, ...]) -> list[tuple[str, str, float, float, int]]:
    return [(one.kind, one.name, one.began, one.ended, one.lane) for one in found]


def test_stages_jobs_and_other_work_are_spans_of_the_run() -> None:
    found = recorded(
        (0, Stage(name="fetch", jobs=2)),
        (1, JobStarted(job="a.whl", action="fetch")),
        (2, JobStarted(job="b.whl", action="fetch")),
        (3, JobFinished(job="a.whl", outcome="done")),
        (4, JobFinished(job="b.whl", outcome="failed")),
        (4, JobFinished(job="c.whl", outcome="cached")),
        (5, JobStarted(job="sglang", action="build")),
        (6, Stage(name="assemble")),
        (7, Worked(kind="read", name="a.whl", began=103, ended=104)),
    )
    assert told(found) == [
        ("run", "fetch", 0, 6, 0),
        ("run", "assemble", 6, 10, 0),
        ("fetch", "a.whl", 1, 3, 0),
        ("fetch", "b.whl", 2, 4, 1),
        ("read", "a.whl", 3, 4, 0),
        ("build", "sglang", 5, 10, 0),
    ]
    assert [one.outcome for one in found] == ["", "", "done", "failed", "", "stopped"]


def test_every_event_goes_on_to_whoever_shows_the_run() -> None:
    shown: list[Event] = []
    event = Note(text="a note")
    Recorder(shown.append)(event)
    assert shown == [event]


@few
@given(st.lists(spans, max_size=30))
def test_no_two_spans_of_a_lane_overlap_and_no_lane_is_left_empty(some: list[TimedSpan]) -> None:
    lanes: defaultdict[tuple[str, int], list[TimedSpan]] = defaultdict(list)
    for span in in_lanes(some):
        lanes[span.kind, span.lane].append(span)
    assert sum(map(len, lanes.values())) == len(some)
    for kind, lane in lanes:
        assert lane == 0 or (kind, lane - 1) in lanes
        ordered = sorted(lanes[kind, lane], key=lambda one: one.began)
        assert all(before.ended <= after.began for before, after in pairwise(ordered))


def checked(text: str) -> list[dict[str, Any]]:
    """Hold a trace to the JSON object format of Chrome's trace events, and return its complete events."""
    document = json.loads(text)
    assert document["displayTimeUnit"] in {"ms", "ns"}
    complete = []
    for event in document["traceEvents"]:
        assert isinstance(event["name"], str)
        assert event["ph"] in {"X", "M"}
        assert all(type(event[key]) is int for key in ("pid", "tid", "ts"))
        if event["ph"] == "M":
            assert event["name"] in {"process_name", "thread_name", "thread_sort_index"}
            assert event["args"].keys() <= {"name", "sort_index"}
        else:
            assert type(event["dur"]) is int
            assert event["dur"] >= 0
            assert isinstance(event["cat"], str)
            complete.append(event)
    named = {event["tid"] for event in document["traceEvents"] if event["name"] == "thread_name"}
    assert {event["tid"] for event in complete} <= named
    return complete


@few
@given(st.lists(spans, max_size=20))
def test_a_trace_is_of_the_documented_format_and_is_read_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, some: list[TimedSpan]
) -> None:
    laid = in_lanes(some)
    text = trace.dumps("a run", laid)
    events = checked(text)
    assert [event["ts"] for event in events] == [round(one.began * 1e6) for one in laid]
    path = tmp_path_factory.getbasetemp() / "trace.json"
    path.write_text(text)
    back = trace.read(path)
    assert [(one.kind, one.name) for one in back] == [(one.kind, one.name) for one in laid]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"traceEvents": [{"ph": "X", "name": "a"}]}',
        '{"traceEvents": [{"ph": "X", "name": "a", "ts": -1, "dur": 1}]}',
        '{"traceEvents": [{"ph": "X", "name": "a", "ts": 1e300, "dur": 1}]}',
    ],
)
def test_what_is_no_trace_is_refused_and_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text(text)
    with pytest.raises(trace.BadTraceError, match=r"trace\.json holds no times of a run") as refused:
        trace.read(path)
    assert refused.value.exit_code == 2


def test_a_page_of_times_shows_every_kind_what_took_longest_and_markup_as_text() -> None:
    some = [
        TimedSpan(kind=kind, name=f"{kind} work", began=at, ended=at + 2) for at, kind in enumerate(KINDS)
    ]
    some.append(TimedSpan(kind="fetch", name=HOSTILE, began=2, ended=90))
    page = Page(gantt.page(HOSTILE, in_lanes(some)))
    assert (page.open, page.mismatched, page.all("script")) == ([], [], [])
    assert all(kind in page.text for kind in KINDS)
    assert f"1:30 in all; longest: {HOSTILE}, 1:28." in page.text
    assert len(page.all("rect")) == len(some)


def test_the_kind_of_work_is_not_cut_beside_long_file_names() -> None:
    """`resolve` stood on two lines, as `resolv` and `e`."""
    page = gantt.page("a run", in_lanes([TimedSpan(kind="resolve", name="w" * 200, began=0, ended=1)]))
    assert '<td role="cell" class="whole" data-label="kind">resolve</td>' in page
    assert "td.whole { white-space: nowrap }" in page


def test_a_run_without_any_work_has_a_page_too() -> None:
    assert "0.0 s in all." in Page(gantt.page("a run", ())).text


def test_the_longest_time_that_a_trace_may_state_has_an_axis(tmp_path: Path) -> None:
    longest = (1 << 53) - 1
    row = {"ph": "X", "name": "a", "cat": "fetch", "ts": longest, "dur": longest}
    path = tmp_path / "times.json"
    path.write_text(json.dumps({"traceEvents": [row]}))
    assert len(gantt.chart(trace.read(path)).ticks) > 1


@few
@given(st.lists(spans, min_size=1, max_size=20))
def test_every_bar_lies_in_the_chart(some: list[TimedSpan]) -> None:
    chart = gantt.chart(in_lanes(some))
    for bar in chart.bars:
        assert chart.left <= bar.x
        assert bar.x + bar.width <= chart.width
        assert bar.y + chart.bar <= chart.height


def test_times_are_written_however_a_run_ends_and_where_nobody_asked_nothing_is(tmp_path: Path) -> None:
    shown: list[Event] = []
    with (
        pytest.raises(KeyError),
        profiled(shown.append, tmp_path / "times.html", "a run") as emit,
        timed(emit, "resolve", "lock"),
    ):
        raise KeyError
    assert [event["name"] for event in checked((tmp_path / "times.json").read_text())] == ["lock"]
    assert "a run" in (tmp_path / "times.html").read_text()
    assert isinstance(shown[-1], Note)
    with profiled(shown.append, None, "a run") as emit:
        assert emit == shown.append
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("place", ["folder.html", "file/times.html"])
def test_a_place_where_no_times_can_be_written_is_told_before_the_run(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "file").touch()
    ran = []
    with (
        pytest.raises(OutputUnwritableError) as caught,
        profiled(lambda _: None, tmp_path / place, "wheelhouse"),
    ):
        ran.append(place)
    assert caught.value.exit_code == 2
    assert "--profile" in caught.value.next_step
    assert not ran


@pytest.mark.parametrize(
    ("given", "name"),
    [("x.v2", "x.v2"), ("torch2.8.0", "torch2.8.0"), ("x.v2.html", "x.v2"), ("x.json", "x")],
)
def test_the_files_of_the_times_keep_the_whole_name_that_was_given(
    tmp_path: Path, given: str, name: str
) -> None:
    with profiled(lambda _: None, tmp_path / given, "wheelhouse"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}.html", f"{name}.json"]


def test_the_folder_of_the_times_is_made(tmp_path: Path) -> None:
    with profiled(lambda _: None, tmp_path / "new" / "times", "wheelhouse"):
        pass
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["times.html", "times.json"]


def test_times_that_cannot_be_written_in_the_end_are_told_in_a_warning(tmp_path: Path) -> None:
    heard: list[Event] = []
    with profiled(heard.append, tmp_path / "gone" / "times.html", "wheelhouse"):
        (tmp_path / "gone").touch()
    assert isinstance(heard[-1], Note)
    assert heard[-1].level == "warning"
    assert "the times of this run are lost" in heard[-1].text


def test_the_error_of_a_run_is_told_also_where_its_times_cannot_be_written(tmp_path: Path) -> None:
    def run() -> None:
        with profiled(lambda _: None, tmp_path / "gone" / "times.html", "wheelhouse"):
            (tmp_path / "gone").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()
