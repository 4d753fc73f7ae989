"""One run of a resolver, seen as a job, with what the indexes have of a project that has nothing for the cell."""

from __future__ import annotations

from ascend_wheelhouse.base.events import Emit, JobFinished, JobStarted, Outcome
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder
from ascend_wheelhouse.origins.offered import told_of
from ascend_wheelhouse.resolve.errors import NoCandidateError
from ascend_wheelhouse.resolve.request import Resolution, Resolver, ResolveRequest


def resolved(resolver: Resolver, request: ResolveRequest, http: Http, emit: Emit) -> Resolution:
    """Resolve as a job of its own, so that what runs for long is seen to run.

    Raises:
        WheelhouseError: See `Resolver.resolve`.
    """
    emit(JobStarted(job=resolver.name, action=f"resolve {len(request.requirements)} requirements"))
    outcome: Outcome = "failed"
    try:
        found = resolver.resolve(request)
        outcome = "done"
    except NoCandidateError as error:
        _tell_offered(error, http, request.target)
        raise
    finally:
        emit(JobFinished(job=resolver.name, outcome=outcome))
    return found


def _tell_offered(error: NoCandidateError, http: Http, target: Target) -> None:
    """Add what the indexes have of each project that has nothing for the cell: resolvers say too little of it."""
    finder = Finder(http)
    told = filter(None, (told_of(finder, name, target) for name in error.names))
    error.why = "\n\n".join((*told, error.why))
