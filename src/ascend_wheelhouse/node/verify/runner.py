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
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .. import documents, layout, place, supervise
from ..host import cann, node_environment, software
from ..install import receipt
from ..probes import Probe
from ..scratch import scratch
from . import cann_log, compiling
from .place import require_programs
from .planning import left_out, obstacle, required
from .report import Report, Result, Verdict
from .sealed import Launcher, NativeLauncher, base_environment, can_seal
from .settings import Setting, VerifyOptions

_LOADING_SECONDS = 3600  # what `probes/server.py` waits for real weights at most


def run_probes(
    environment: Path,
    manifest: Mapping[str, Any],
    options: VerifyOptions,
    *,
    digest: str = "",
    say: Callable[[Result], None] = lambda _result: None,
    begin: Callable[[], None] = lambda: None,
) -> Report:
    """Run every probe that fits this machine, on this machine.

    Args:
        environment: The virtual environment's folder.
        manifest: The wheelhouse's manifest.
        options: What the person asked for.
        digest: The sha256 of `manifest.json`.
        say: Called with each result as it comes.
        begin: Called before the first probe, once it is sure that there is one.

    Raises:
        NoProbeError: What was asked for leaves none to run.
    """
    found = look(environment, manifest, options)
    with scratch(prefix="av-run-") as folder:
        node = place.as_files(folder / "code")
        script = node / "verify/sealed.py"
        setting = Setting(
            environment=environment.resolve(),
            manifest=manifest,
            options=options,
            launcher=NativeLauncher(sealed=can_seal(script), script=script),
            ascend=found,
            scratch=folder,
            digest=digest,
            node=node,
        )
        results, probes = [], required(setting)
        if any(_loads_made(probe, setting) for probe in probes):
            require_programs(folder)
        begin()
        for probe in probes:
            results.append(run_probe(probe, setting))
            say(results[-1])
            if results[-1].probe == "npu-present" and not results[-1].good:
                break
    return make_report(setting, results)


def _loads_made(probe: Probe, setting: Setting) -> bool:
    """Whether a probe that runs here loads what is compiled in the course of the run."""
    stubbed = probe.stubs and bool(setting.options.stubs)
    return (stubbed or probe.on_device or "server" in probe.markers) and not obstacle(probe, setting)


def look(environment: Path, manifest: Mapping[str, Any], options: VerifyOptions) -> cann.Ascend:
    """Return the machine's Ascend side, with the CANN that the wheelhouse's cell names.

    Raises:
        SeveralToolkitsError: Several CANN stand there and none is the cell's.
    """
    recorded = str(receipt.recorded(environment).get("ascend", ""))
    wanted = str(manifest.get("cell", {}).get("cann", ""))
    return cann.look(wanted, named=options.ascend, recorded=recorded)


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
        seconds=seconds_of(probe, setting),
        memory=memory_of(probe, setting),
    )
    return _announced(_judge(probe, setting, ended, answer), setting.options)


def seconds_of(probe: Probe, setting: Setting) -> float:
    """Return a probe's limit; a server may take its time to load real weights."""
    loading = _LOADING_SECONDS if _loads_weights(probe, setting) else 0
    return (probe.seconds + loading) * setting.launcher.patience


def memory_of(probe: Probe, setting: Setting) -> int:
    """Return a probe's limit in bytes; that of a server with real weights is the machine's memory."""
    if not _loads_weights(probe, setting):
        return probe.memory
    return max(probe.memory, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def _loads_weights(probe: Probe, setting: Setting) -> bool:
    return "server" in probe.markers and bool(setting.options.model)


def _records(environment: Path) -> dict[str, str]:
    """Return the digest of each RECORD as it was when the environment was installed; none where there is no receipt."""
    files = receipt.recorded(environment).get("files", {})
    return {path: digest for path, digest in files.items() if path.endswith(".dist-info/RECORD")}


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
            "ascend": setting.ascend.toolkit or setting.ascend.root,
            "devices": setting.ascend.visible,
            "present": setting.ascend.devices,
            "records": _records(setting.environment) if probe.name == "files" else {},
            "nnodes": options.nodes.count,
            "node_rank": options.nodes.rank,
            "dist_init_addr": options.nodes.address,
            "emulated": launcher.emulated,
            "patience": launcher.patience,
            "standins": setting.standins,
        },
    }


def _command(probe: Probe, setting: Setting, launcher: Launcher, request: Path, answer: Path) -> list[str]:
    host = "host" in probe.markers
    python = sys.executable if host else setting.python
    environment = _environment(probe, setting, launcher, request.parent)
    flags = ["-I"] if host else list(node_environment.modules_flags(environment))
    flags += compiling.flags(environment)
    words = [python, *flags, launcher.inside(setting.node / "child.py"), launcher.inside(request)]
    return launcher.command(
        [*words, launcher.inside(answer)], environment, network=host or _needs_host_network(probe, setting)
    )


def _needs_host_network(probe: Probe, setting: Setting) -> bool:
    """Whether the devices' own libraries look for a network card: HCCL finds its peers by one even on one node."""
    return probe.on_device or ("server" in probe.markers and bool(setting.ascend.devices))


def _environment(probe: Probe, setting: Setting, launcher: Launcher, folder: Path) -> dict[str, str]:
    home, temporary = Path(launcher.inside(folder / "home")), Path(launcher.inside(folder / "tmp"))
    environment = base_environment(home, temporary)
    if not setting.ascend.devices:
        environment["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # else importing starts nine workers, a gigabyte
    if setting.ascend.toolkit:
        environment |= _as_activated(setting)
    elif probe.stubs and setting.options.stubs:
        environment["LD_LIBRARY_PATH"] = setting.options.stubs
    else:
        environment["TORCH_DEVICE_BACKEND_AUTOLOAD"] = "0"
    if probe.standins and setting.standins:
        behind = environment.get("PYTHONPATH", "")
        environment["PYTHONPATH"] = f"{setting.standins}{behind and ':'}{behind}"
    return compiling.once(environment, setting)


def _as_activated(setting: Setting) -> dict[str, str]:
    """Return what the environment's own `activate` sets on this machine, for a caller who steers CANN alone."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(node_environment.KEPT)}
    recommended = setting.manifest.get("serving", {}).get("environment", {})
    made = node_environment.compute(
        setting.ascend,
        setting.environment,
        recommended={name: str(value) for name, value in recommended.items()},
        inherited=kept,
        machine="" if setting.launcher.emulated else platform.machine(),
    )
    return {**kept, **made.variables}


def _said(answer: Path) -> Iterator[dict[str, Any]]:
    """Yield what a probe's process wrote line by line; one that was killed may have cut its last line short."""
    for line in answer.read_bytes().splitlines():
        with suppress(documents.UnsoundError):
            yield documents.read(line, {})


def _judge(probe: Probe, setting: Setting, ended: supervise.Ended, answer: Path) -> Result:
    lines = list(_said(answer))
    said = lines[-1] if lines and "verdict" in lines[-1] else {}
    doing = next((line["doing"] for line in reversed(lines) if "doing" in line), "start")
    verdict, evidence = _verdict(said, ended, doing, probe, setting)
    if ended.stuck:
        evidence += f"; the kernel holds {', '.join(ended.stuck)}, which no signal ends"
    if verdict not in {"passed", "skipped"} and probe.advice:
        evidence = f"{evidence}; next: {probe.advice}"
    figures = {**said.get("figures", {}), "peak_mib": ended.peak >> 20}
    failed = verdict not in {"passed", "skipped"}
    detail = str(said.get("detail") or ended.output)
    if logged := cann_log.errors(answer.parent / "home"):
        detail += f"\n\nCANN's log:\n{logged}"
    return Result(
        probe=probe.name,
        verdict=verdict,
        seconds=round(ended.seconds, 2),
        evidence=evidence,
        detail=detail.strip() if failed else "",
        figures=figures,
        markers=_markers(probe, setting, loaded=bool(said.get("software"))),
    )


def _verdict(
    said: Mapping[str, Any], ended: supervise.Ended, doing: str, probe: Probe, setting: Setting
) -> tuple[Verdict, str]:
    if ended.cut == "time":
        return "timed-out", f"no answer within {seconds_of(probe, setting):.0f} s while it was at: {doing}"
    if ended.cut == "memory":
        return "out-of-memory", f"passed {memory_of(probe, setting) >> 20} MiB while it was at: {doing}"
    if ended.cut == "output":
        return "failed", f"printed more than {supervise.LONGEST_OUTPUT >> 20} MiB while it was at: {doing}"
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


def _announced(result: Result, options: VerifyOptions) -> Result:
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


def _markers(probe: Probe, setting: Setting, *, loaded: bool = False) -> tuple[str, ...]:
    emulated = setting.launcher.emulated and "host" not in probe.markers
    asks = probe.on_device or "cann" in probe.markers
    seen = loaded or (asks and bool(setting.ascend.software))
    return (*probe.markers, *(["emulated"] if emulated else []), *([software.WORDS] if seen else []))


def make_report(setting: Setting, results: Sequence[Result]) -> Report:
    """Gather results into the report that is kept."""
    manifest = setting.manifest
    return Report(
        wheelhouse={
            "stack": str(manifest.get("stack", "")),
            "platform": str(manifest.get("platform", "")),
            "digest": setting.digest,
            "contents": layout.contents_digest(manifest.get("files", ())),
        },
        cell=dict(manifest.get("cell", {})),
        host=host_facts(setting.ascend),
        conditions={
            "emulated": setting.launcher.emulated,
            "hidden_npus": setting.ascend.hidden,
            "left_out": left_out(setting, results),
            "require_npu": setting.options.require_npu,
            "sealed": setting.launcher.sealed,
            "software_npu": setting.ascend.software,
            "standins": bool(setting.standins),
            "stubs": bool(setting.options.stubs) and not setting.ascend.toolkit,
            "topology": setting.options.topology if setting.ascend.devices else "cpu",
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
