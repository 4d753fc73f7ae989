"""Which probes a machine and a wheelhouse call for, and what keeps one from running here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import UsageError
from ..host import cann, software
from ..probes import CATALOGUE, Probe
from .report import Result
from .settings import Setting

ALONE = "single"


class UnknownTopologyError(UsageError):
    """The stack has no serving topology of that name."""


class NoProbeError(UsageError):
    """What was asked for leaves no probe to run."""


def required(setting: Setting) -> list[Probe]:
    """Return the probes that will run: each that was asked for by its name, and one at least.

    Raises:
        NoProbeError: There is none, or one that was asked for is not for this wheelhouse on this machine.
        UnknownTopologyError: The wheelhouse has no serving topology of that name.
    """
    found, options = plan(setting), setting.options
    _check_topology(setting)
    if options.require_npu and not setting.ascend.real:
        return found
    rest = [probe.name for probe in _unchosen(setting)]
    strange = [name for name in options.only if name not in rest]
    if found and not strange:
        return found
    asked = _words(strange, ()) or _words(options.only, options.without)
    raise NoProbeError(
        f"No probe runs here for {' and '.join(asked)}.",
        why=f"This wheelhouse on this machine calls for: {', '.join(rest) or 'none'}.",
        next_step="name others, or leave --only and --without away",
    )


def _check_topology(setting: Setting) -> None:
    known, asked = setting.manifest.get("serving", {}).get("topologies", {}), setting.options.topology
    if known and asked not in {*known, ALONE}:
        raise UnknownTopologyError(
            f"--topology {asked} is none of this wheelhouse's.",
            why=f"Its serving file knows {', '.join(sorted(known))}.",
            next_step=f"--topology with one of these, or leave it away for {ALONE}",
        )


def left_out(setting: Setting, results: Sequence[Result]) -> list[str]:
    """Return the names of the probes that this machine and this wheelhouse call for and that have no result."""
    seen = {result.probe for result in results}
    return [probe.name for probe in _unchosen(setting) if probe.name not in seen]


def _unchosen(setting: Setting) -> list[Probe]:
    """Return what would run if nobody had chosen."""
    return plan(replace(setting, options=replace(setting.options, only=(), without=())))


def _words(only: Sequence[str], without: Sequence[str]) -> list[str]:
    return [*(f"--only {name}" for name in only), *(f"--without {name}" for name in without)]


def plan(setting: Setting) -> list[Probe]:
    """Return the probes that this machine and this wheelhouse call for, in order.

    Those that would contradict the machine (an import without CANN where there is CANN) are left out, as
    are those of components that the wheelhouse neither holds nor awaits.
    """
    options = setting.options
    if options.require_npu and not setting.ascend.real:
        return [Probe(name="npu-present", markers=("npu",))]
    held = setting.held
    awaited = {str(entry["component"]) for entry in setting.manifest.get("pending", [])}
    chosen = []
    for probe in CATALOGUE:
        unwanted = (options.only and probe.name not in options.only) or probe.name in options.without
        contradicts = probe.without_cann and bool(setting.ascend.toolkit)
        foreign = bool(probe.components) and not {*probe.components} & (held | awaited)
        foreign |= bool(probe.serving) and not setting.manifest.get("serving", {}).get(probe.serving)
        if not (unwanted or contradicts or foreign):
            chosen.append(probe)
    return chosen


def obstacle(probe: Probe, setting: Setting) -> str:
    """Return what keeps a probe from running here, as advice to a person, or an empty text."""
    ascend, options = setting.ascend, setting.options
    if reason := _device_obstacle(probe, setting):
        return reason
    if "cann" in probe.markers and not ascend.toolkit:
        return cann.NO_CANN
    if probe.stubs and "torch-npu" in setting.held and not ascend.toolkit and not options.stubs:
        return "no CANN here and no C compiler to make stand-in libraries with: install gcc (or clang)"
    if probe.standins and setting.wants_standins and not options.standins:
        return (
            "serving on a CPU needs stand-in modules that no Ascend wheelhouse holds: run this on a node, "
            "or give --standins tests/standins from the project's source tree"
        )
    return _awaited(probe, setting)


def _device_obstacle(probe: Probe, setting: Setting) -> str:
    ascend = setting.ascend
    if probe.on_device and setting.options.require_npu and ascend.software:
        return f"a {software.WORDS} ({ascend.software}) is no NPU: run this on an Atlas node, or without --require-npu"
    if probe.on_device and not ascend.devices:
        return cann.NO_NPU
    if ascend.software and setting.launcher.emulated and "host" in probe.markers and _asks(probe):
        return f"the {software.WORDS} stands in the emulated system's root, and this reads the machine's own files"
    if probe.hardware and ascend.software:
        return f"not on a {software.WORDS}: {probe.hardware}"
    taking_part = ascend.visible * setting.options.nodes.count
    if "multi_npu" in probe.markers and taking_part < 2:  # noqa: PLR2004 - a pair is what it takes
        return f"{ascend.visible} NPUs here and this takes two: run it on a node with more devices"
    return ""


def _asks(probe: Probe) -> bool:
    return probe.on_device or "cann" in probe.markers


def _awaited(probe: Probe, setting: Setting) -> str:
    held = setting.held
    for entry in setting.manifest.get("pending", []):
        if entry["component"] in probe.components and not {*probe.components} & held:
            return (
                f"{entry['component']} is pending in this wheelhouse ({entry['reason']}): {entry['supply']}"
            )
    return ""
