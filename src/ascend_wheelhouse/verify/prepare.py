"""One verification from a wheelhouse to a report: make the environment, run the probes, keep the evidence."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pip

from ascend_wheelhouse.base import full_disk
from ascend_wheelhouse.base.errors import VerifyError
from ascend_wheelhouse.base.events import Event, Note
from ascend_wheelhouse.base.whole_file import write_whole
from ascend_wheelhouse.node.host import cann
from ascend_wheelhouse.node.probes import Probe
from ascend_wheelhouse.node.scratch import scratch
from ascend_wheelhouse.node.verify import planning, runner, settings
from ascend_wheelhouse.node.verify.place import remove_earlier, require_programs, require_writable
from ascend_wheelhouse.node.verify.report import Report, Result
from ascend_wheelhouse.node.verify.sealed import Launcher, NativeLauncher, can_seal
from ascend_wheelhouse.verify import (
    collect,
    emulation,
    environment,
    page,
    software_node,
    software_root,
    stubbing,
)
from ascend_wheelhouse.verify.found import FoundWheelhouse


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a person asked of one verification.

    Args:
        wheelhouse: The wheelhouse to verify.
        options: What is handed to the runner; stubs and pip are filled in here.
        standins: Folder of stand-in modules for serving on a CPU, or None.
        reports: Where `report.json`, `junit.xml` and `report.html` go.
        backend: What installs.
        store: Where system roots for emulation are kept.
        keep: Where the environment and what belongs to it stay afterwards; a folder that is removed when None.
        payloads: On a software node, the folder of its `.run` packages.
        node: The software node that an emulated verification makes for itself.
        pytest: More arguments for pytest.
    """

    wheelhouse: FoundWheelhouse
    options: settings.VerifyOptions
    standins: Path | None
    reports: Path
    backend: environment.Backend
    store: Path
    keep: Path | None = None
    payloads: Path | None = None
    node: software_node.Node | None = None
    pytest: Sequence[str] = ()


def verify(wanted: Wanted, say: Callable[[str], None]) -> Report:
    """Verify a wheelhouse and write the reports.

    Raises:
        ReportPlaceError: The place of the reports cannot be written; nothing was done then.
        HostUnfitError: This machine lacks what the verification needs, such as the emulator.
        WheelhouseReplacedError: The wheelhouse was made anew meanwhile.
        NoProbeError: What was asked for leaves no probe to run.
        BadPytestWordsError: pytest cannot read the words that were meant for it.
    """
    packages = software_node.install(wanted.payloads) if wanted.payloads else []
    with _scratch(wanted.keep) as work:
        setting = _setting(wanted, work)
        collect.require_chosen(setting, wanted.pytest)
        if not setting.launcher.emulated:
            require_programs(work)
        require_writable(wanted.reports)
        remove_earlier(*(wanted.reports / name for name in ("report.json", "junit.xml", "report.html")))
        if wanted.options.require_npu and not setting.ascend.real:
            results = _probed(wanted, setting)
        else:
            setting, results = _install_and_run(wanted, setting, say, packages)
        report = runner.make_report(setting, results)
    write_whole(wanted.reports / "report.html", page.render([report]))
    report.write(wanted.reports / "report.json")
    return report


@contextmanager
def _scratch(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep
        return
    with scratch(prefix="av-all-") as work:
        yield work


def _setting(wanted: Wanted, work: Path) -> settings.Setting:
    (work / "run").mkdir()
    native = wanted.wheelhouse.machine == platform.machine()
    place, asked = work / "environment", (wanted.wheelhouse.manifest, wanted.options)
    found = runner.look(place, *asked) if native else cann.Ascend(devices=0, toolkit="", scripts=())
    launcher: Launcher = NativeLauncher(sealed=can_seal())
    node = settings.NODE
    if not native and not wanted.options.require_npu:
        emulated = emulation.launcher(wanted.wheelhouse, work, wanted.store)
        if wanted.node is not None:
            made = software_node.packages(wanted.node, wanted.store)
            inner = software_root.make(wanted.node, made, emulated.root, work / "software")
            emulated, found = replace(emulated, root=inner.root), inner.ascend
        launcher = emulated
        node = Path(shutil.copytree(settings.NODE, work / "node"))
    return settings.Setting(
        environment=place,
        manifest=wanted.wheelhouse.manifest,
        options=wanted.options,
        launcher=launcher,
        ascend=found,
        scratch=work / "run",
        digest=wanted.wheelhouse.digest,
        node=node,
    )


def _install_and_run(
    wanted: Wanted, setting: settings.Setting, say: Callable[[str], None], packages: Sequence[str]
) -> tuple[settings.Setting, list[Result]]:
    began = time.monotonic()
    try:
        with full_disk.naming(setting.environment), wanted.wheelhouse.held(partial(_tell, say)):
            _make_environment(wanted, setting)
    except VerifyError as error:
        say(f"sealed install: {error}\n")
        return setting, _probed(wanted, setting, [_installed(wanted, setting, began, error)], probes=())
    first = _installed(wanted, setting, began, None)
    say(f"sealed install: {first.evidence}, {first.seconds:.0f} s")
    ready = replace(setting, options=_with_means(wanted, setting))
    activated = [software_node.activated(ready, packages)] if packages else []
    return ready, _probed(wanted, ready, [first, *activated])


def _tell(say: Callable[[str], None], event: Event) -> None:
    if isinstance(event, Note):
        say(event.text)


def _probed(
    wanted: Wanted,
    setting: settings.Setting,
    before: Sequence[Result] = (),
    *,
    probes: Sequence[Probe] | None = None,
) -> list[Result]:
    """Run the probes that are planned unless others are named, and return every result, earlier ones first."""
    planned = planning.required(setting) if probes is None else probes
    run = collect.Run(setting, probes=planned, before=before)
    return run.under_pytest(wanted.reports / "junit.xml", wanted.pytest)


def _make_environment(wanted: Wanted, setting: settings.Setting) -> None:
    network = not can_seal()
    if setting.launcher.emulated:
        seen_as = setting.launcher.inside(setting.environment)
        environment.make_foreign(
            wanted.wheelhouse, setting.environment, seen_as=seen_as, backend=wanted.backend, network=network
        )
    else:
        environment.make(wanted.wheelhouse, setting.environment, backend=wanted.backend, network=network)


def _installed(wanted: Wanted, setting: settings.Setting, began: float, error: VerifyError | None) -> Result:
    wheels = sum(1 for entry in wanted.wheelhouse.manifest["files"] if entry["kind"] == "wheel")
    how = "the network cut off" if can_seal() else "the network in reach (this kernel refuses a namespace)"
    machine = f" for {wanted.wheelhouse.machine}" if setting.launcher.emulated else ""
    return Result(
        probe="sealed-install",
        verdict="failed" if error else "passed",
        seconds=round(time.monotonic() - began, 2),
        evidence=error.what if error else f"{wheels} wheels{machine} by {wanted.backend}, {how}",
        detail=str(error) if error else "",
        figures={"wheels": wheels},
        markers=("host",),
    )


def _with_means(wanted: Wanted, setting: settings.Setting) -> settings.VerifyOptions:
    """Add stand-in libraries, stand-in modules and pip, as the process under test will see them."""
    work, machine, launcher = setting.scratch.parent, wanted.wheelhouse.machine, setting.launcher
    root = getattr(launcher, "root", Path("/"))
    folder = work / "stubs"
    made = not setting.ascend.toolkit and stubbing.make(
        setting.site_packages, folder, machine, stubbing.system_folders(root, machine)
    )
    return replace(
        wanted.options,
        stubs=launcher.inside(folder) if made else "",
        standins=launcher.inside(_copied(wanted.standins, work / "standins")) if wanted.standins else "",
        pip=launcher.inside(_copied(Path(pip.__file__).parent, work / "pip" / "pip").parent),
    )


def _copied(source: Path, folder: Path) -> Path:
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder
