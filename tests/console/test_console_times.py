from ascend_wheelhouse.base.events import Event, JobFinished, JobStarted
from ascend_wheelhouse.console.times import Times


def test_times_pass_events_on_and_tell_how_long_a_job_took() -> None:
    passed: list[Event] = []
    readings = iter([10.0, 12.5])
    times = Times(passed.append, clock=lambda: next(readings))
    events: list[Event] = [JobStarted(job="a.whl", action="fetch"), JobFinished(job="a.whl", outcome="done")]
    for event in events:
        times(event)
    assert passed == events
    assert times.of("built", "a.whl") == "2.5 s"


def test_a_job_that_never_began_took_no_time() -> None:
    times = Times(lambda _event: None)
    times(JobFinished(job="a.whl", outcome="cached"))
    assert times.of("a.whl") == ""
