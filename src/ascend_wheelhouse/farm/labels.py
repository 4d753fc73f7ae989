"""What a host can be asked for, as labels: its machine, its tools, its toolchains of ours, its chips, its memory.

Dask knows numbers alone ("worker resources"): a label is the name of a resource of which there is more than anybody
asks for, `gcc:13.2.0`, and memory is a quantity in MiB that builds take from while they run.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from packaging.version import Version

from ascend_wheelhouse.base import qemu
from ascend_wheelhouse.base.errors import HostUnfitError
from ascend_wheelhouse.build.environment import InterpreterMissingError, find_interpreter
from ascend_wheelhouse.build.jobserver import host_memory_mb
from ascend_wheelhouse.build.sandbox import find_sandbox
from ascend_wheelhouse.build.toolchain import candidates
from ascend_wheelhouse.cells.target import MACHINES, PYTHONS, dotted
from ascend_wheelhouse.farm.identity import own_version
from ascend_wheelhouse.node.host.host import npu_chip, npu_devices

PLENTY = 1e6
MEMORY = "memory"
CORES = "cores"
VERSION = "wheelhouse"
NPU = "npu"
DEVICES = "npus"
VERIFICATION = "verification"
"""How many verifications a worker does at once: one, since each wants every NPU of the host."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The labels of one worker.

    Args:
        version: The tool's version there; empty where the worker is not one of ours.
        named: Label names to their values, such as `gcc` to `13.2.0`, newest first.
        memory_mb: What its builds may take together, in MiB.
        cores: Its cores.
    """

    version: str
    named: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    memory_mb: int = 0
    cores: int = 1

    def has(self, name: str, value: str) -> bool:
        """Tell whether a label has a value."""
        return value in self.named.get(name, ())

    def as_resources(self) -> dict[str, float]:
        """Return them as Dask takes them."""
        found = {f"{name}:{value}": PLENTY for name, values in self.named.items() for value in values}
        quantities = {MEMORY: float(self.memory_mb), CORES: float(self.cores), VERIFICATION: 1.0}
        return {f"{VERSION}:{self.version}": PLENTY, **found, **quantities}

    @classmethod
    def of_resources(cls, resources: Mapping[str, float]) -> Labels:
        """Read back what `as_resources` wrote; what others have put there counts as labels too."""
        named: dict[str, list[str]] = defaultdict(list)
        for resource in resources:
            name, colon, value = resource.partition(":")
            if colon:
                named[name].append(value)
        version = next(iter(named.pop(VERSION, [])), "")
        return cls(
            version=version,
            named={name: tuple(sorted(values, key=_newest, reverse=True)) for name, values in named.items()},
            memory_mb=int(resources.get(MEMORY, 0)),
            cores=int(resources.get(CORES, 1)),
        )

    def of_node(self) -> str:
        """Return those that decide where a wheelhouse is verified."""
        return ", ".join(
            f"{name} {'/'.join(self.named[name])}" for name in ("machine", NPU) if name in self.named
        )

    def __str__(self) -> str:
        named = [f"{name} {'/'.join(values)}" for name, values in sorted(self.named.items())]
        return ", ".join([*named, f"memory {self.memory_mb} MiB"])


def host_labels(extra: Iterable[str] = (), *, memory_mb: int = 0, cores: int = 0) -> Labels:
    """Return the labels of this host.

    Args:
        extra: Further ones, `name=value`.
        memory_mb: What builds may take, in MiB; what is free when 0.
        cores: How many cores they may use; all when 0.
    """
    named: dict[str, list[str]] = defaultdict(list)
    machine = os.uname().machine
    named["machine"].append(machine)
    for tool in candidates():
        if tool.version not in named[tool.name]:
            named[tool.name].append(tool.version)
    named["python"] += [dotted(python) for python in PYTHONS if _has_python(dotted(python))]
    named["runs"] += [one for one in MACHINES if one == machine or _emulates(one)]
    named["sandbox"] += _sandboxes()
    for name, value in npu_labels().items():
        named[name].append(value)
    for text in extra:
        name, _, value = text.partition("=")
        named[name].append(value)
    return Labels(
        version=own_version(),
        named={name: tuple(values) for name, values in named.items() if values},
        memory_mb=memory_mb or host_memory_mb(),
        cores=cores or len(os.sched_getaffinity(0)),
    )


def _has_python(python: str) -> bool:
    try:
        find_interpreter(python)
    except InterpreterMissingError:
        return False
    return True


def _emulates(machine: str) -> bool:
    return bool(qemu.qemu(machine)) and not qemu.refusal(machine)


def _sandboxes() -> list[str]:
    try:
        return [find_sandbox().name]
    except HostUnfitError:
        return []


def npu_labels(root: Path = Path("/")) -> dict[str, str]:
    """Return the kind of a host's NPUs and how many of them it may use; empty where it has none.

    Args:
        root: The folder that stands for `/`.
    """
    count, chip = npu_devices(root), npu_chip(root)
    if not count:
        return {}
    return ({NPU: chip} if chip else {}) | {DEVICES: str(count)}


def _newest(value: str) -> tuple[int, Version, str]:
    try:
        return 1, Version(value), value
    except ValueError:
        return 0, Version("0"), value
