"""One build, done: laid out, run, repaired, brought into the normal form and searched for traces.

A `WorkOrder` is plain data, since the work is done in a process of its own (`worker.py`).
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from ascend_wheelhouse.base.errors import BuildError
from ascend_wheelhouse.base.events import Emit, JobProgress
from ascend_wheelhouse.build import object_cache, shims
from ascend_wheelhouse.build.auditing import Auditwheel, auditwheel, started_early
from ascend_wheelhouse.build.cann_tree import lay_cann
from ascend_wheelhouse.build.clock_shim import write_clock
from ascend_wheelhouse.build.conditions import NORMAL, Conditions
from ascend_wheelhouse.build.environment import Interpreter, install, planned
from ascend_wheelhouse.build.job import BuildJob
from ascend_wheelhouse.build.jobserver import Slots
from ascend_wheelhouse.build.kept_tree import BYTECODE, KeptTree, write_gates
from ascend_wheelhouse.build.normalise import normalise_wheel
from ascend_wheelhouse.build.outcome import INCREMENTAL, INCREMENTAL_NOTE
from ascend_wheelhouse.build.repair import check_traces, needs_of, platform_of, repair_wheel
from ascend_wheelhouse.build.sandbox import Sandbox
from ascend_wheelhouse.build.script import Workspace, run_steps, values, write_shims
from ascend_wheelhouse.build.source_tree import lay_source
from ascend_wheelhouse.build.toolchain import Toolchain
from ascend_wheelhouse.cells.placeholders import fill
from ascend_wheelhouse.store.git_source import GitSource
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.wheels.wheel import BadWheelError, WheelFile

_FOLDERS = ("home", "out", "env", "ccache", "downloads")


class ArtifactsError(BuildError):
    """The steps left other wheels than the recipe promises."""


class WrongWheelError(BuildError):
    """The build gave a wheel of another release, or with compiled code where the recipe says there is none."""


@dataclass(frozen=True, kw_only=True)
class WorkOrder:
    """Everything that one build is done with.

    Args:
        job: The build.
        toolchain: The chosen tools.
        interpreter: The CPython of the build environment.
        sandbox: Where steps run.
        store: The store's folder.
        place: A folder for this build alone; emptied first.
        kept: Where that folder is found once the build has failed.
        jobs: How many compilers it may run by itself.
        server: The slots that it shares with other builds, if any.
        ccache: Go through ccache.
        conditions: What the build sees of the builder.
        incremental: The place is a kept tree: gone on with, not emptied.
    """

    job: BuildJob
    toolchain: Toolchain
    interpreter: Interpreter
    sandbox: Sandbox
    store: Path
    place: Path
    kept: Path
    jobs: int = 1
    server: Slots | None = None
    ccache: bool = False
    conditions: Conditions = NORMAL
    incremental: bool = False


def make(order: WorkOrder, emit: Emit) -> list[tuple[Path, str]]:
    """Build whatever the store knows, and return the wheels in the order's place, each with its note.

    Raises:
        BuildError: A step, the repair or a check failed.
        IntegrityError: A source, a patch or an environment has other bytes than the lock says.
    """
    job, store = order.job, Store(order.store)
    if cann := order.toolchain.cann:
        emit(JobProgress(job=job.component, line=f"unpacking {cann.filename}, unless it is in the store"))
    tree = KeptTree(place=order.place) if order.incremental else None
    if tree:
        tree.begin(emit)
    else:
        shutil.rmtree(order.place, ignore_errors=True)
    workspace = _workspace(order, store)
    with ThreadPoolExecutor(1, thread_name_prefix="environment") as pool:
        source = tree.fresh if tree else workspace.work / "source"
        installing = pool.submit(_install, order, workspace, store)
        lay_source(job, store, source, values=values(job, workspace), order=order.conditions.order)
        write_shims(workspace, _downloads(job, store, workspace.work), debug_info=job.spec.debug_info)
        if order.conditions.clock:
            write_clock(workspace.work / shims.FOLDER, order.conditions.clock)
        installing.result()
        if tree:
            _go_on(tree, job, workspace, emit)
    with started_early() if tree else nullcontext(auditwheel) as audit:
        run_steps(job, workspace, emit)
        if tree:
            tree.finished()
        mark = INCREMENTAL if tree else ""
        with _telling_what_is_there(workspace):
            return [_finished(job, workspace, wheel, mark, audit) for wheel in collect(job, workspace)]


@contextmanager
def _telling_what_is_there(workspace: Workspace) -> Iterator[None]:
    """Say of a failure after the steps where the log is and what they left: it may have taken an hour."""
    try:
        yield
    except BuildError as error:
        made = sorted((workspace.place / "raw").glob("*.whl"))
        kept = [workspace.kept / path.relative_to(workspace.place) for path in (*made, workspace.log)]
        error.next_step += f"; the steps left {', '.join(shlex.quote(str(path)) for path in kept)}"
        raise


def _go_on(tree: KeptTree, job: BuildJob, workspace: Workspace, emit: Emit) -> None:
    """Bring a kept tree to the fresh source."""
    write_gates(workspace)
    seen, late = f"{workspace.root}/source", values(job, workspace) | {"jobs": ""}
    tree.keep_bytecode(seen)
    variables = {name: fill(text, late) for name, text in job.spec.env.items()}
    tree.take(seen=seen, variables=variables, emit=emit)


def _workspace(order: WorkOrder, store: Store) -> Workspace:
    place = order.place
    for name in _FOLDERS:
        (place / "work" / name).mkdir(parents=True, exist_ok=True)
    if order.server:
        (place / "work" / "jobserver").touch()
    image = order.sandbox.image_digest
    cache = (
        object_cache.made_folder(order.store, order.job.component, order.toolchain, image)
        if order.ccache
        else None
    )
    environment = planned(
        order.job.sources.environment,
        order.interpreter,
        store=store,
        sandbox=order.sandbox,
        conditions=order.conditions,
        folder=place / "environment" if order.job.spec.pure else None,
    )
    return Workspace(
        place=place,
        kept=order.kept,
        sandbox=order.sandbox,
        toolchain=order.toolchain,
        interpreter=order.interpreter,
        environment=environment,
        jobs=order.conditions.cores or order.jobs,
        server=order.server,
        ccache=cache,
        ascend=lay_cann(order.toolchain.cann, store) if order.toolchain.cann else None,
        conditions=order.conditions,
        bytecode=BYTECODE if order.incremental else "",
    )


def _install(order: WorkOrder, workspace: Workspace, store: Store) -> None:
    install(
        workspace.environment,
        order.job.sources.environment,
        order.interpreter,
        store=store,
        sandbox=order.sandbox,
        conditions=order.conditions,
    )


def _downloads(job: BuildJob, store: Store, work: Path) -> dict[str, str]:
    urls = {}
    for item in job.spec.downloads:
        store.check(item.sha256)
        shutil.copyfile(store.path(item.sha256), work / "downloads" / item.sha256)
        urls[item.url] = item.sha256
    return urls


def _finished(
    job: BuildJob, workspace: Workspace, wheel: Path, mark: str, audit: Auditwheel
) -> tuple[Path, str]:
    beside, *folders = [workspace.place / name for name in ("libraries", "repaired", "finished")]
    for folder in (beside, *folders):
        folder.mkdir(exist_ok=True)
    libraries = workspace.sandbox.libraries(
        needs_of(wheel), beside, machine=job.machine, left=(*job.spec.repair.needs, *job.host_libraries)
    )
    repaired = repair_wheel(
        wheel,
        folders[0],
        rules=job.spec.repair,
        host_libraries=job.host_libraries,
        libraries=libraries,
        audit=audit,
    )
    _check_traces(job, workspace, repaired.wheel)
    local = fill(job.spec.local_version, values(job, workspace)) or None
    done = normalise_wheel(
        repaired.wheel,
        folders[1],
        local_version=local,
        epoch=job.sources.epoch,
        build_tag=mark,
        additions=repaired.additions,
    )
    return done, "; ".join(note for note in (INCREMENTAL_NOTE if mark else "", repaired.note) if note)


def _check_traces(job: BuildJob, workspace: Workspace, wheel: Path) -> None:
    """Raise where a wheel holds a path of the builder; before normalising, which compresses what is searched."""
    folders_seen = {f"{workspace.root}/{name}/" for name in ("source", "out", "home", shims.FOLDER)}
    needles = folders_seen | {f"{workspace.place}/", f"{workspace.environment.seen}/"}
    if not workspace.interpreter.of_system:
        needles.add(f"{workspace.interpreter.prefix}/")
    check_traces(wheel, sorted(needles), allowed=job.spec.repair.carries_paths)


def collect(job: BuildJob, workspace: Workspace) -> list[Path]:
    """Copy the wheels that the steps left into `raw`, one of each promised distribution.

    Raises:
        ArtifactsError: One is missing, doubled or not promised.
        WrongWheelError: One is not what the recipe says of it, has no wheel's name, or is no wheel inside.
    """
    source = workspace.work / "source"
    patterns = job.spec.artifacts if job.spec.backend == "script" else ()
    made = sorted(
        path
        for path in {path for pattern in patterns for path in source.glob(pattern)}
        | _wheels(workspace.work / "out")
        if _is_of_build(path, workspace.work)
    )
    raw = workspace.place / "raw"
    raw.mkdir()
    found = [Path(shutil.copy2(path, raw)) for path in made]
    names = [_project(job, path) for path in found]
    wanted = sorted(canonicalize_name(name) for name in job.spec.distributions) or sorted(set(names))
    if sorted(names) != wanted or not names:
        raise ArtifactsError(
            f"The build of {job.component} left {_listed([path.name for path in found])}, "
            f"promised is {_listed(wanted)}.",
            why="A step ended well without its wheel, or the source folder was not clean.",
            next_step="see what the steps print, and compare with `artifacts` of the recipe's [build] table",
        )
    for path in found:
        _refuse_damaged(job, path)
        _refuse_other(job, path)
    return found


def _refuse_damaged(job: BuildJob, wheel: Path) -> None:
    try:
        with WheelFile.open(wheel) as opened:
            opened.wheel_headers  # noqa: B018 - asked for its errors
    except BadWheelError as error:
        raise WrongWheelError(
            f"The build of {job.component} left {wheel.name}, which is no wheel inside: {error.what}",
            why="A step wrote it by halves, or gave another file that name.",
            next_step="see what the steps print; the recipe's `artifacts` name what the project's packaging makes",
        ) from error


def _refuse_other(job: BuildJob, wheel: Path) -> None:
    """Raise where the steps gave another release than the lock's, or a pure build gave compiled code."""
    _refuse_version(job, wheel)
    if job.spec.pure and platform_of(wheel) != "any":
        raise WrongWheelError(
            f"The build gave {wheel.name}, which holds compiled code.",
            why="The recipe says `pure = true`: a wheel that a host of any architecture can build for every other.",
            next_step=f"take that out of the [build] table of recipes/{job.component}.toml",
        )


def _refuse_version(job: BuildJob, wheel: Path) -> None:
    """Raise where a wheel's version is not the one asked for; its local part counts unless it is replaced here."""
    _, found, _, _ = parse_wheel_filename(wheel.name)
    wanted = Version(job.spec.wheel_version)
    if found == wanted or (job.spec.local_version and found.public == wanted.public):
        return
    raise WrongWheelError(
        f"The build gave {wheel.name}, not a wheel of {job.component} {job.version}: "
        f"its version is {found}, asked for was {wanted}.",
        why=f"The source ({job.sources.label}, {job.sources.commit[:12]}) is not the one of that release, or "
        "takes its version from elsewhere.",
        next_step=_other_source(job),
    )


def _other_source(job: BuildJob) -> str:
    """Say where the right source, or the wheel's own version, is written down."""
    recipe = f"`wheel_version` in the [build] table of recipes/{job.component}.toml"
    if isinstance(job.sources.tree, GitSource) and job.sources.tree.kind == "branch":
        return (
            "name the release's own commit: `commit` of its row in recipes/compatibility.toml where the recipe takes "
            "{release}, else a tag as `ref`; then `invoke lock --upgrade {cell}`"
        )
    return f"compare the release with the source's project file; what its wheels are called is {recipe}"


def _is_of_build(path: Path, work: Path) -> bool:
    """Tell whether a path is a file that the build made: a link can lead to one of this host, whose own it then is."""
    return path.is_file() and path.resolve().is_relative_to(work.resolve())


def _project(job: BuildJob, wheel: Path) -> NormalizedName:
    try:
        return canonicalize_name(parse_wheel_filename(wheel.name)[0])
    except ValueError as error:
        raise WrongWheelError(
            f"The build of {job.component} left {wheel.name}, which is no name of a wheel: {error}.",
            why="A step renamed it, or packs under a name of its own.",
            next_step="have it keep the name that the project's packaging gives, or leave it out of `artifacts`",
        ) from error


def _wheels(folder: Path) -> set[Path]:
    return set(folder.glob("*.whl"))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "no wheel"
