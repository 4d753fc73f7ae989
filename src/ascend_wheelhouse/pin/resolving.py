"""One run of a resolver, seen as a job, with what the indexes have of a project that has nothing for the cell."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from ascend_wheelhouse.base.events import Emit, JobFinished, JobStarted, Note, Outcome
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder
from ascend_wheelhouse.origins.offered import told_of
from ascend_wheelhouse.resolve.errors import ConflictError, NoCandidateError
from ascend_wheelhouse.resolve.request import Resolution, Resolver, ResolveRequest


def resolved(resolver: Resolver, request: ResolveRequest, http: Http, emit: Emit) -> Resolution:
    """Resolve as a job of its own, so that what runs for long is seen to run.

    Pins that are kept are first bound to be where they are; where that cannot be, only those move that have to, as far
    as the resolver can tell: uv 0.13.9 takes a pin that it should prefer for impossible where the first of several
    indexes has no wheel of it for the target. Then none is kept, and the run says so.

    Raises:
        WheelhouseError: See `Resolver.resolve`.
    """
    if not request.kept:
        return _run(resolver, request, http, emit)
    bound = replace(request, constraints=(*request.constraints, *request.kept), kept=())
    for one in (bound, request):
        with suppress(ConflictError, NoCandidateError):
            return _run(resolver, one, http, emit)
    found = _run(resolver, replace(request, kept=()), http, emit)
    text = f"{resolver.name} could not keep the other wheels where they were: all may have moved"
    emit(Note(text=text, level="warning"))
    return found


def _run(resolver: Resolver, request: ResolveRequest, http: Http, emit: Emit) -> Resolution:
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
