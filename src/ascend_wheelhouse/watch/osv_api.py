"""OSV's API (google.github.io/osv.dev, POST /v1/querybatch and GET /v1/vulns/ID): names and versions out, records back.

The answer to a batch names identifiers alone, so each record is fetched once; what it touches is then judged here, as
for an exported database. Mirrors redirect it as they redirect every origin.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

from ascend_wheelhouse.base.errors import SourceUnreachableError
from ascend_wheelhouse.base.events import Emit, JobFinished, JobStarted
from ascend_wheelhouse.base.waiting import asking
from ascend_wheelhouse.node import documents
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.vulnerabilities.record import ECOSYSTEM, OsvRecord, record_of

URL = "https://api.osv.dev/v1"
_BATCH = 1000
_PAGES = 20
_WORKERS = 16
_ANSWER = {
    "results": [({"vulns?": [{"id": documents.name}], "next_page_token?": str}, type(None))],
}


class OsvAnswerError(SourceUnreachableError):
    """What came from OSV's API is no answer of it."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "OSV's API sent what is no answer of it.",
            why=why,
            next_step="export the database where it answers, and name the file with --vulnerabilities",
        )


def ask_osv(pins: Iterable[tuple[str, str]], http: Http, emit: Emit) -> list[OsvRecord]:
    """Return every record that OSV has of versions of projects of PyPI.

    Args:
        pins: Names and versions.
        http: The client.
        emit: Told of the progress.

    Raises:
        OriginError: It did not answer.
        OsvAnswerError: It answered with something else.
    """
    queries = [
        {"package": {"ecosystem": ECOSYSTEM, "name": name}, "version": version} for name, version in pins
    ]
    emit(JobStarted(job="OSV", action=f"ask for {len(queries)} versions"))
    try:
        identifiers = sorted({one for found in _batches(queries, http) for one in found})
        with asking(_WORKERS, "osv") as pool:
            records = list(pool.map(lambda one: _record(one, http), identifiers))
    except SourceUnreachableError:
        emit(JobFinished(job="OSV", outcome="failed"))
        raise
    emit(JobFinished(job="OSV", outcome="done", detail=f"{len(records)} records"))
    return records


def _batches(queries: Sequence[dict[str, Any]], http: Http) -> Iterator[list[str]]:
    """Yield the identifiers that each answer names; a query whose answer has more pages is asked again for them."""
    for start in range(0, len(queries), _BATCH):
        left = list(queries[start : start + _BATCH])
        for _ in range(_PAGES):
            rows = _results(left, http)
            yield [one["id"] for row in rows if row for one in row.get("vulns", ())]
            left = [
                {**query, "page_token": row["next_page_token"]}
                for query, row in zip(left, rows, strict=True)
                if row and row.get("next_page_token")
            ]
            if not left:
                break
        else:
            raise OsvAnswerError(f"It had more than {_PAGES} pages of one answer.")


def _results(queries: Sequence[dict[str, Any]], http: Http) -> list[dict[str, Any] | None]:
    page = http.post(f"{URL}/querybatch", json.dumps({"queries": queries}).encode())
    try:
        results: list[dict[str, Any] | None] = documents.read(page.content, _ANSWER)["results"]
    except documents.UnsoundError as error:
        raise OsvAnswerError(f"{error}.") from error
    if len(results) != len(queries):
        raise OsvAnswerError(f"{len(queries)} questions had {len(results)} answers.")
    return results


def _record(identifier: str, http: Http) -> OsvRecord:
    page = http.page(f"{URL}/vulns/{quote(identifier, safe='')}", accept="application/json")
    try:
        return record_of(documents.parse(page.content))
    except documents.UnsoundError as error:
        raise OsvAnswerError(f"{identifier}: {error}.") from error
