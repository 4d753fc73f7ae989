"""The served model with NPUGraph: what the server probe asks, of the topology `graph`, and that graphs are on."""

from __future__ import annotations

from dataclasses import replace

from . import server
from .api import Context, Outcome, ProbeFailedError

_TOPOLOGY = "graph"


def run(context: Context) -> Outcome:
    """Serve with graphs, and have the server say so."""
    outcome = server.run(replace(context, options={**context.options, "topology": _TOPOLOGY}))
    told = outcome.figures.get("server-info", {})
    if told.get("disable_cuda_graph") is not False:
        raise ProbeFailedError(
            "the server answers, and without graphs: it says disable_cuda_graph", figures=told
        )
    return Outcome(evidence=f"with graphs: {outcome.evidence}", figures=outcome.figures)
