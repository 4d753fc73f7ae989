"""`invoke worker`: this host builds for a farm."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.farm.choice import FarmChoice
from ascend_wheelhouse.farm.joining import Joining, join
from ascend_wheelhouse.farm.labels import Labels, host_labels
from ascend_wheelhouse.store.root import default_root

_DIGITS = 9
_EXAMPLES = {"--memory": 16_384}
"""Numbers that make sense; MiB."""
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*=[A-Za-z0-9_.+-]+")


class BadLabelError(UsageError):
    """A label is not of the form `name=value`."""


class NoNumberError(UsageError):
    """An option that takes a number was given something else."""


class NoSchedulerError(UsageError):
    """A worker was not told which scheduler it joins."""


def number(option: str, text: str, default: int) -> int:
    """Return the number, above 0, that an option was given.

    Raises:
        NoNumberError: It is none.
    """
    if not text:
        return default
    if text.isascii() and text.isdigit() and int(text[:_DIGITS]) > 0 and len(text) < _DIGITS:
        return int(text)
    raise NoNumberError(
        f"{option} {text[:40]!r} is no number above 0.", next_step=f"{option} {_EXAMPLES.get(option, 4)}"
    )


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """What `invoke worker` was asked for.

    Args:
        farm: The scheduler.
        name: What the worker is called; the host's name when empty.
        builds: How many builds run side by side.
        cores: Cores that they may use; all when 0.
        memory_mb: Memory that they may use, in MiB; what is free when 0.
        label: Further labels, `name=value`.
        show: Print the labels and stop.
        json: Print one JSON document.
    """

    farm: FarmChoice
    name: str = ""
    builds: int = 1
    cores: int = 0
    memory_mb: int = 0
    label: tuple[str, ...] = ()
    show: bool = False
    json: bool = False


def main(options: WorkerOptions) -> None:
    """Join a farm and build for it until stopped."""
    if wrong := [text for text in options.label if not _LABEL.fullmatch(text)]:
        raise BadLabelError(
            f"No label is of the form of {', '.join(map(repr, wrong))}.",
            next_step="--label name=value, such as --label site=north",
        )
    labels = host_labels(options.label, memory_mb=options.memory_mb, cores=options.cores)
    if options.show:
        _show(labels, json=options.json)
        return
    if not options.farm.scheduler:
        raise NoSchedulerError(
            "The address of a scheduler is missing.", next_step="invoke worker --scheduler tls://HOST:8786"
        )
    with console.reporter("json" if options.json else "auto", stream=sys.stderr) as emit:
        asyncio.run(
            join(
                Joining(
                    choice=options.farm,
                    labels=labels,
                    name=options.name or os.uname().nodename,
                    builds=options.builds,
                ),
                emit,
            )
        )


def _show(labels: Labels, *, json: bool) -> None:
    store = Path(default_root())
    if json:
        rows = {name: list(values) for name, values in labels.named.items()}
        figures = {"memory_mb": labels.memory_mb, "cores": labels.cores}
        console.print_json({"version": labels.version, "labels": rows, **figures, "store": str(store)})
        return
    rows_shown = [[name, ", ".join(values)] for name, values in sorted(labels.named.items())]
    own = [["version", labels.version], ["memory", f"{labels.memory_mb} MiB"], ["cores", str(labels.cores)]]
    console.table(["label", "value"], [*rows_shown, *own, ["store", str(store)]])
