"""Runs the probes of one environment, each in a process of its own, and gathers a report.

Which probes run follows from the machine (is there an NPU, is there CANN), from the wheelhouse's manifest
(which components it holds or awaits) and from what the person asked for. A probe that cannot run is
reported as skipped with what would let it run; under `require_npu` that is a failure.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import cann, supervise
from .probes import CATALOGUE, Probe
from .probes.api import normalised
from .report import Report, Result, Verdict
from .sealed import Launcher, NativeLauncher, base_environment, can_seal

NODE = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the person asked for.

    Args:
        require_npu: Nothing may be skipped; without an NPU the run fails at once. only: Names of the probes
        to run; all when empty. without: Names of the probes to leave out. model: Folder of real weights for
        the server check; a tiny model is made when empty. topology: Which of the manifest's serving
        topologies the server check uses. stubs: Folder of stand-in CANN libraries, as the process under
        test sees it; empty when there is none. standins: Folder of stand-in modules for serving on a CPU,
        likewise. pip: Folder that holds a `pip` package for the requirements probe, likewise; the
        environment's own when empty. known: Failures that are announced, `PROBE` or `PROBE/ITEM` to the
        reason.
    """

    require_npu: bool = False
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    model: str = ""
    topology: str = "single"
    stubs: str = ""
    standins: str = ""
    pip: str = ""
    known: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One environment under test and the means to reach it.

    Args:
        environment: The virtual environment's folder, as seen from here.
        manifest: The wheelhouse's manifest.
        options: What the person asked for.
        launcher: How its processes are started.
        ascend: What the machine has of Ascend.
        scratch: A folder for the run, reachable from inside as well.
        digest: The sha256 of `manifest.json`, which names the wheelhouse in receipts and reports.
        node: The folder of this package, reachable from inside as well.
    """

    environment: Path
    manifest: Mapping[str, Any]
    options: Options
    launcher: Launcher
    ascend: cann.Ascend
    scratch: Path
    digest: str = ""
    node: Path = NODE

    @property
    def python(self) -> str:
        """The environment's interpreter, as the process under test sees it."""
        return self.launcher.inside(self.environment / "bin" / "python")

    @property
    def site_packages(self) -> Path:
        """Where its packages are, as seen from here."""
        folder = f"python{self.manifest.get('cell', {}).get('python', '3.11')}"
        return self.environment / "lib" / folder / "site-packages"


def run_probes(
    environment: Path,
    manifest: Mapping[str, Any],
    options: Options,
    *,
    digest: str = "",
    say: Callable[[Result], None] = lambda _result: None,
) -> Report:
    """Run every probe that fits this machine, on this machine.

    Args:
        environment: The virtual environment's folder.
        manifest: The wheelhouse's manifest.
        options: What the person asked for.
        digest: The sha256 of `manifest.json`.
        say: Called with each result as it comes.
    """
    found = cann.look()
    with tempfile.TemporaryDirectory(prefix="av-") as folder:
        setting = Setting(
            environment=environment.resolve(),
            manifest=manifest,
            options=options,
            launcher=NativeLauncher(sealed=can_seal()),
            ascend=found,
            scratch=Path(folder),
            digest=digest,
        )
        results = []
        for probe in plan(setting):
            results.append(run_probe(probe, setting))
            say(results[-1])
            if results[-1].probe == "npu-present" and not results[-1].good:
                break
    return make_report(setting, results)


def plan(setting: Setting) -> list[Probe]:
    """Return the probes that this machine and this wheelhouse call for, in order.

    Those that would contradict the machine (an import without CANN where there is CANN) are left out, as
    are those of components that the wheelhouse neither holds nor awaits.
    """
    options = setting.options
    if options.require_npu and not setting.ascend.devices:
        return [Probe(name="npu-present", markers=("npu",))]
    held = {
        normalised(str(entry["name"])) for entry in setting.manifest.get("files", []) if entry.get("name")
    }
    awaited = {str(entry["component"]) for entry in setting.manifest.get("pending", [])}
    chosen = []
    for probe in CATALOGUE:
        unwanted = (options.only and probe.name not in options.only) or probe.name in options.without
        contradicts = probe.without_cann and bool(setting.ascend.toolkit)
        foreign = bool(probe.components) and not {*probe.components} & (held | awaited)
        if not (unwanted or contradicts or foreign):
            chosen.append(probe)
    return chosen


def obstacle(probe: Probe, setting: Setting) -> str:
    """Return what keeps a probe from running here, as advice to a person, or an empty text."""
    ascend, options = setting.ascend, setting.options
    if probe.on_device and not ascend.devices:
        return cann.NO_NPU
    if "multi_npu" in probe.markers and ascend.devices < 2:  # noqa: PLR2004 - a pair is what it takes
        return f"{ascend.devices} NPUs here and this takes two: run it on a node with more devices"
    if "cann" in probe.markers and not ascend.toolkit:
        return cann.NO_CANN
    if probe.stubs and "torch-npu" in _held(setting) and not ascend.toolkit and not options.stubs:
        return "no CANN here and no C compiler to make stand-in libraries with: install gcc (or clang)"
    if probe.standins and not ascend.devices and not options.standins:
        return (
            "serving on a CPU needs stand-in modules that no Ascend wheelhouse holds: run this on a node, "
            "or give --standins tests/standins from the project's source tree"
        )
    return _awaited(probe, setting)


def _held(setting: Setting) -> set[str]:
    """Return the distributions that the wheelhouse holds, by normalised name."""
    return {
        normalised(str(entry["name"])) for entry in setting.manifest.get("files", []) if entry.get("name")
    }


def _awaited(probe: Probe, setting: Setting) -> str:
    held = _held(setting)
    for entry in setting.manifest.get("pending", []):
        if entry["component"] in probe.components and not {*probe.components} & held:
            return (
                f"{entry['component']} is pending in this wheelhouse ({entry['reason']}): {entry['supply']}"
            )
    return ""


def run_probe(probe: Probe, setting: Setting) -> Result:
    """Run one probe to its verdict."""
    reason = obstacle(probe, setting)
    if reason:
        verdict: Verdict = (
            "failed" if setting.options.require_npu and probe.name == "npu-present" else "skipped"
        )
        return Result(
            probe=probe.name, verdict=verdict, seconds=0.0, evidence=reason, markers=_markers(probe, setting)
        )
    folder = setting.scratch / probe.name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "home").mkdir(parents=True)
    (folder / "tmp").mkdir()
    request, answer = folder / "request.json", folder / "result.jsonl"
    request.write_text(json.dumps(_request(probe, setting)), encoding="utf-8")
    answer.touch()
    launcher: Launcher = NativeLauncher(sealed=False) if "host" in probe.markers else setting.launcher
    ended = supervise.run(
        _command(probe, setting, launcher, request, answer),
        environment=os.environ if launcher.emulated else _environment(probe, setting, launcher, folder),
        folder=folder,
        seconds=probe.seconds * launcher.patience,
        memory=probe.memory,
    )
    return _announced(_judge(probe, setting, ended, answer), setting.options)


def _request(probe: Probe, setting: Setting) -> dict[str, Any]:
    options, launcher = setting.options, setting.launcher
    host = "host" in probe.markers
    return {
        "module": probe.module,
        "manifest": setting.manifest,
        "options": {
            "known": {key: value for key, value in options.known.items() if key.startswith(f"{probe.name}/")},
            "model": options.model,
            "topology": options.topology,
            "pip": options.pip,
            "python": setting.python,
            "site_packages": str(setting.site_packages) if host else launcher.inside(setting.site_packages),
            "npu": bool(setting.ascend.devices),
            "devices": setting.ascend.devices,
            "emulated": launcher.emulated,
            "patience": launcher.patience,
            "standins": "" if setting.ascend.devices else options.standins,
        },
    }


def _command(probe: Probe, setting: Setting, launcher: Launcher, request: Path, answer: Path) -> list[str]:
    host = "host" in probe.markers
    python = sys.executable if host else setting.python
    flags = ["-s", "-P"] if probe.standins else ["-I"]
    words = [python, *flags, launcher.inside(setting.node / "child.py"), launcher.inside(request)]
    environment = _environment(probe, setting, launcher, request.parent)
    return launcher.command(
        [*words, launcher.inside(answer)], environment, network=host or _needs_host_network(probe, setting)
    )


def _needs_host_network(probe: Probe, setting: Setting) -> bool:
    """Whether the devices' own libraries look for a network card: HCCL finds its peers by one even on one node."""
    return probe.on_device or ("server" in probe.markers and bool(setting.ascend.devices))


def _environment(probe: Probe, setting: Setting, launcher: Launcher, folder: Path) -> dict[str, str]:
    home, temporary = Path(launcher.inside(folder / "home")), Path(launcher.inside(folder / "tmp"))
    environment = base_environment(home, temporary)
    if setting.ascend.toolkit:
        environment |= cann.runtime_environment(setting.ascend, setting.environment / "bin" / "python")
    elif probe.stubs and setting.options.stubs:
        environment["LD_LIBRARY_PATH"] = setting.options.stubs
    else:
        environment["TORCH_DEVICE_BACKEND_AUTOLOAD"] = "0"
    if probe.standins and setting.options.standins and not setting.ascend.devices:
        environment["PYTHONPATH"] = setting.options.standins
    return environment


def _judge(probe: Probe, setting: Setting, ended: supervise.Ended, answer: Path) -> Result:
    lines = [
        json.loads(line) for line in answer.read_text(encoding="utf-8").splitlines() if line.endswith("}")
    ]
    said = lines[-1] if lines and "verdict" in lines[-1] else {}
    doing = next((line["doing"] for line in reversed(lines) if "doing" in line), "start")
    verdict, evidence = _verdict(said, ended, doing, probe, setting)
    figures = {**said.get("figures", {}), "peak_mib": ended.peak >> 20}
    failed = verdict not in {"passed", "skipped"}
    return Result(
        probe=probe.name,
        verdict=verdict,
        seconds=round(ended.seconds, 2),
        evidence=evidence,
        detail=str(said.get("detail") or ended.output) if failed else "",
        figures=figures,
        markers=_markers(probe, setting),
    )


def _verdict(
    said: Mapping[str, Any], ended: supervise.Ended, doing: str, probe: Probe, setting: Setting
) -> tuple[Verdict, str]:
    if ended.cut == "time":
        limit = probe.seconds * setting.launcher.patience
        return "timed-out", f"no answer within {limit:.0f} s while it was at: {doing}"
    if ended.cut == "memory":
        return "out-of-memory", f"passed {probe.memory >> 20} MiB while it was at: {doing}"
    if not said:
        return "crashed", f"{_cause(ended.status)} while it was at: {doing}"
    if ended.left:
        return "failed", f"left processes behind: {', '.join(ended.left)}"
    return said["verdict"], str(said["evidence"])


def _cause(status: int) -> str:
    number = -status if status < 0 else status - 128
    try:
        return f"killed by {signal.Signals(number).name}"
    except ValueError:
        return f"ended with status {status} and no result"


def _announced(result: Result, options: Options) -> Result:
    reason = options.known.get(result.probe)
    if reason is None or result.good:
        return result
    return Result(
        probe=result.probe,
        verdict="known",
        seconds=result.seconds,
        evidence=f"announced: {reason} ({result.evidence})",
        detail=result.detail,
        figures=result.figures,
        markers=result.markers,
    )


def _markers(probe: Probe, setting: Setting) -> tuple[str, ...]:
    emulated = setting.launcher.emulated and "host" not in probe.markers
    return (*probe.markers, "emulated") if emulated else probe.markers


def make_report(setting: Setting, results: Sequence[Result]) -> Report:
    """Gather results into the report that is kept."""
    manifest = setting.manifest
    return Report(
        wheelhouse={
            "stack": str(manifest.get("stack", "")),
            "platform": str(manifest.get("platform", "")),
            "digest": setting.digest,
        },
        cell=dict(manifest.get("cell", {})),
        host=host_facts(setting.ascend),
        conditions={
            "emulated": setting.launcher.emulated,
            "require_npu": setting.options.require_npu,
            "sealed": setting.launcher.sealed,
            "standins": bool(setting.options.standins) and not setting.ascend.devices,
            "stubs": bool(setting.options.stubs) and not setting.ascend.toolkit,
            "topology": setting.options.topology,
        },
        results=tuple(results),
    )


def host_facts(found: cann.Ascend) -> dict[str, Any]:
    """Return what a reader of the report needs to know of the machine."""
    return {
        "name": platform.node(),
        "machine": platform.machine(),
        "kernel": platform.release(),
        "glibc": platform.libc_ver()[1],
        "cpus": os.cpu_count() or 1,
        "memory_gib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30,
        "npus": found.devices,
        "toolkit": found.toolkit,
        "verified": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
