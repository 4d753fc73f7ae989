"""A master in a process of its own: `farm_master.py FARM STORE SDIST...`, events and wheels as JSON lines.

FARM is a scheduler's address, `local`, `ssh one,two` (workers on these hosts), or `slurm` (two jobs).
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from making_builds import Bench
from sdists import recipe, sources, where

from ascend_wheelhouse import console
from ascend_wheelhouse.build.command import Workshop, build_component
from ascend_wheelhouse.build.job import Sources
from ascend_wheelhouse.build.outcome import BuiltWheel, PendingBuild
from ascend_wheelhouse.build.scheduler import Step, run_all
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.recipe import Recipe
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.farm.farm import farm

Outcome = list[BuiltWheel] | PendingBuild


def _build(of: Recipe, where_to: Cell, starts: Sources, workshop: Workshop, _results: object) -> Outcome:
    return build_component(of, where_to, starts, workshop)


def _choice(text: str) -> FarmChoice:
    if text.startswith("ssh "):
        return FarmChoice(workers="ssh", hosts=tuple(text.removeprefix("ssh ").split(",")))
    started = {
        "local": FarmChoice(workers="local", count=2),
        "slurm": FarmChoice(workers="slurm", count=2),
    }
    return started.get(text) or FarmChoice(scheduler=text)


def main(where_built: str, store: Path, archives: list[Path]) -> None:
    """Build every archive on the farm, as many at once as it does side by side."""
    with console.main_guard(json=True), console.reporter("json") as emit:
        bench = Bench(root=store)
        with farm(_choice(where_built), bench.store, emit) as found:
            assert found is not None
            workshop = replace(bench.workshop, elsewhere=found, emit=emit)
            steps = []
            for path in archives:
                version = path.name.removesuffix(".tar.gz").partition("-")[2]
                args = (recipe(), where(version), sources(bench, path), workshop)
                steps.append(Step[Outcome](name=version, run=partial(_build, *args)))
            outcomes = run_all(steps, workers=found.builds, memory_mb=1 << 20)
        for name, outcome in outcomes.items():
            if outcome.error is not None:
                raise outcome.error
            wheels = outcome.result if isinstance(outcome.result, list) else []
            shown = [[wheel.filename, wheel.sha256, wheel.cached] for wheel in wheels]
            console.print_json({"event": "result", "version": name, "wheels": shown}, indent=None)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), [Path(word) for word in sys.argv[3:]])
