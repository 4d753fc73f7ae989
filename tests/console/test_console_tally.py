import pytest

from ascend_wheelhouse.base.events import JobFinished, JobProgress, JobStarted, Note, Stage
from ascend_wheelhouse.console.tally import Tally


def _fetching() -> Tally:
    tally = Tally(0.0)
    tally.apply(Stage(name="fetch", jobs=4, total=1000), 0.0)
    tally.apply(JobStarted(job="a", action="fetch", total=400), 0.0)
    tally.apply(JobStarted(job="b", action="fetch", total=100), 0.0)
    return tally


def test_counts_name_only_what_is_not_zero() -> None:
    tally = _fetching()
    tally.apply(JobFinished(job="b", outcome="done"), 1.0)
    assert tally.counts() == ["running 1", "done 1", "queued 2"]


def test_time_left_is_the_missing_bytes_at_the_present_rate() -> None:
    tally = _fetching()
    tally.apply(JobProgress(job="a", done=200), 2.0)
    assert tally.rate(2.0) == pytest.approx(100)
    assert tally.seconds_left(2.0) == pytest.approx(8.0)
    assert tally.flow(2.0) == ["200 B/1 kB", "100 B/s", "8.0 s left"]


def test_cached_bytes_count_as_here_and_not_as_moved() -> None:
    tally = _fetching()
    tally.apply(JobFinished(job="a", outcome="cached"), 1.0)
    assert (tally.done_bytes, tally.moved_bytes, tally.rate(1.0)) == (400, 0, 0)


def test_a_job_that_starts_over_does_not_make_the_rate_negative() -> None:
    tally = _fetching()
    tally.apply(JobProgress(job="a", done=300), 1.0)
    tally.apply(JobProgress(job="a", done=0), 2.0)
    assert tally.rate(2.0) > 0
    assert tally.done_bytes == 0


def test_a_stage_without_a_total_promises_no_time() -> None:
    tally = Tally(0.0)
    tally.apply(JobStarted(job="a", action="fetch"), 0.0)
    tally.apply(JobProgress(job="a", done=200), 2.0)
    assert tally.seconds_left(2.0) is None


def test_a_new_stage_counts_afresh() -> None:
    tally = _fetching()
    tally.apply(JobFinished(job="a", outcome="failed"), 1.0)
    tally.apply(JobFinished(job="b", outcome="done"), 1.0)
    tally.apply(Stage(name="build", jobs=1), 3.0)
    assert tally.counts() == ["queued 1"]


def test_events_about_unknown_jobs_are_taken_quietly() -> None:
    tally = Tally(0.0)
    tally.apply(JobProgress(job="ghost", done=5), 0.0)
    tally.apply(Note(text="hello"), 0.0)
    ended = tally.apply(JobFinished(job="ghost", outcome="cached"), 1.0)
    assert ended is not None
    assert tally.counts() == ["cached 1"]


def test_the_time_left_of_a_build_runs_down_between_what_it_prints() -> None:
    tally = Tally(0.0)
    tally.apply(JobStarted(job="torch-npu", action="build"), 0.0)
    tally.apply(JobProgress(job="torch-npu", line="[1/9]"), 1.0)
    assert tally.running["torch-npu"].left(1.0) == ""
    tally.apply(JobProgress(job="torch-npu", line="[3/9]", left=50.0), 10.0)
    assert tally.running["torch-npu"].left(20.0) == "40 s left"
    assert tally.running["torch-npu"].left(99.0) == "0.0 s left"


def test_what_was_here_before_is_done_and_never_part_of_a_rate() -> None:
    tally = Tally(0.0)
    tally.apply(Stage(name="fetch", jobs=1, total=1000), 0.0)
    tally.apply(JobStarted(job="a", action="fetch", total=1000), 0.0)
    tally.apply(JobProgress(job="a", done=900, moved=False), 0.0)
    tally.apply(JobProgress(job="a", done=950), 1.0)
    assert tally.share == 0.95
    assert tally.moved_bytes == 50
    assert tally.rate(1.0) == 50
    tally.apply(JobFinished(job="a", outcome="done"), 2.0)
    assert "100 B in" in tally.summary(2.0, ".")


def test_a_stage_without_bytes_is_measured_by_its_jobs_and_one_without_jobs_not_at_all() -> None:
    tally = Tally(0.0)
    tally.apply(Stage(name="find", jobs=4), 0.0)
    tally.apply(JobFinished(job="a", outcome="done"), 0.0)
    assert tally.share == 0.25
    tally.apply(Stage(name="resolve"), 1.0)
    assert tally.share is None
