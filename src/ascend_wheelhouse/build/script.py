"""Running a build's steps in its sandbox: the variables, the placeholders, and what to say when a step fails."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.base.clock import SystemClock
from ascend_wheelhouse.base.errors import BuildError, HostUnfitError, WheelhouseError
from ascend_wheelhouse.base.events import Emit, JobProgress, Note
from ascend_wheelhouse.base.process import run_logged
from ascend_wheelhouse.build import object_cache, shims
from ascend_wheelhouse.build.backend import Backend, Run
from ascend_wheelhouse.build.cann_tree import SEEN_AT
from ascend_wheelhouse.build.conditions import NORMAL, Conditions
from ascend_wheelhouse.build.environment import Environment, Interpreter
from ascend_wheelhouse.build.job import BuildJob
from ascend_wheelhouse.build.jobserver import Slots, make_is_client, ninja_is_client
from ascend_wheelhouse.build.project_file import project_folder
from ascend_wheelhouse.build.sandbox import Cage, Mount, Sandbox
from ascend_wheelhouse.build.time_left import TimeLeft
from ascend_wheelhouse.build.told_causes import compiler_refused, filled_disk, lacked_memory, telling_lines
from ascend_wheelhouse.build.toolchain import LENT_AT, Toolchain, set_env_script
from ascend_wheelhouse.cells.placeholders import fill

_HOST_IN_LOG = re.compile(
    r"(?:resolve host(?: address)?:?|Failed to resolve|Failed to connect to) \W?([A-Za-z0-9.-]+\.[a-z]{2,})"
)
_CLOCK = SystemClock()


class StepFailedError(BuildError):
    """A build step ended with a status other than 0."""


class MemoryLackedError(StepFailedError):
    """A program of a build step was killed, or got no memory."""


class StepDiskFullError(HostUnfitError):
    """A program of a build step found its disk full."""


class NetworkWantedError(BuildError):
    """A build tried to reach the network, which it has none of."""


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """Where one build runs, and with what.

    Args:
        place: The build's folder on the host; `work` in it is what the build sees at its root.
        kept: Where the folder is found once the build has failed; the same, unless it was built in memory.
        sandbox: What keeps it from the network and the host.
        toolchain: The chosen tools.
        interpreter: The CPython of the build environment.
        environment: The installed build environment.
        jobs: How many compilers it may run by itself.
        server: The slots that it shares with other builds, if any.
        ccache: Folder of the compiler cache; None for none.
        ascend: The Ascend folder of a CANN that was handed over; None for the builder's own.
        conditions: What it sees of the builder.
        bytecode: The folder at its root in which Python keeps bytecode for the next build; empty for none.
    """

    place: Path
    kept: Path
    sandbox: Sandbox
    toolchain: Toolchain
    interpreter: Interpreter
    environment: Environment
    jobs: int = 1
    server: Slots | None = None
    ccache: Path | None = None
    ascend: Path | None = None
    conditions: Conditions = NORMAL
    bytecode: str = ""

    @property
    def work(self) -> Path:
        """The folder that the build sees at its root."""
        return self.place / "work"

    @property
    def root(self) -> str:
        """Where the build sees its folder."""
        return self.conditions.root if self.sandbox.sealed else str(self.work)

    @property
    def ascend_seen(self) -> str:
        """Where the build sees a CANN that was handed over."""
        return SEEN_AT if self.sandbox.sealed or self.ascend is None else str(self.ascend)

    @property
    def cann(self) -> tuple[str, str]:
        """CANN's toolkit folder and its `set_env.sh`, as the build sees them; empty where it has none."""
        if package := self.toolchain.cann:
            return f"{self.ascend_seen}/{package.home}", f"{self.ascend_seen}/{package.set_env}"
        home = self.toolchain.cann_home
        return home, set_env_script(home) if home else ""

    @property
    def log(self) -> Path:
        """What the steps print."""
        return self.place / "build.log"


def values(job: BuildJob, workspace: Workspace) -> dict[str, str]:
    """Return the late placeholders."""
    cann_home, cann_set_env = workspace.cann
    return {
        "jobs": str(workspace.jobs),
        "out": f"{workspace.root}/out",
        "source": f"{workspace.root}/source",
        "env": workspace.environment.seen,
        "cann_home": cann_home,
        "cann_set_env": cann_set_env,
        "commit": job.sources.commit,
        "commit8": job.sources.commit[:8],
        "epoch": str(job.sources.epoch),
    }


def variables(job: BuildJob, workspace: Workspace) -> dict[str, str]:
    """Return the whole environment of a step: nothing of the host's is in it."""
    root, conditions = workspace.root, workspace.conditions
    env = {
        "PATH": shims.search_path(root, workspace.environment.seen, workspace.toolchain.folders),
        "HOME": f"{root}/home",
        "USER": conditions.user[0],
        "LOGNAME": conditions.user[0],
        "TZ": conditions.timezone,
        "LC_ALL": conditions.locale,
        "LANG": conditions.locale,
        "TERM": "dumb",
        "SOURCE_DATE_EPOCH": str(job.sources.epoch),
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PIP_NO_INDEX": "1",
        "PIP_RETRIES": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_OFFLINE": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    env |= (
        {"PYTHONPYCACHEPREFIX": f"{root}/{workspace.bytecode}"}
        if workspace.bytecode
        else {"PYTHONDONTWRITEBYTECODE": "1"}
    )
    env |= _ccache(workspace)
    if conditions.clock:
        env["LD_PRELOAD"] = f"{root}/{shims.FOLDER}/libclock.so"
    late = values(job, workspace)
    return (
        env | _parallelism(job, workspace) | {name: fill(text, late) for name, text in job.spec.env.items()}
    )


def _ccache(workspace: Workspace) -> dict[str, str]:
    if workspace.ccache is None:
        return {"CCACHE_DISABLE": "1"}
    root, sandbox = workspace.root, workspace.sandbox
    folder = f"{root}/ccache" if sandbox.sealed else str(workspace.ccache)
    mode = workspace.ccache.stat().st_mode
    return object_cache.variables(
        workspace.toolchain, image=sandbox.image_digest, root=root, folder=folder, mode=mode
    )


def _parallelism(job: BuildJob, workspace: Workspace) -> dict[str, str]:
    jobs = str(workspace.jobs)
    fixed = {"MAX_JOBS": jobs, "CMAKE_BUILD_PARALLEL_LEVEL": jobs}
    if workspace.server is None or not workspace.sandbox.sealed:
        return fixed | {"MAKEFLAGS": f"-j{jobs}"}
    flags = {"MAKEFLAGS": workspace.server.makeflags(f"{workspace.root}/jobserver")}
    return flags if ninja_is_client(workspace.toolchain, job.sources.environment) else flags | fixed


def cage(job: BuildJob, workspace: Workspace) -> Cage:
    """Return what a step may see."""
    root = workspace.root
    mounts = [
        Mount(source=workspace.interpreter.prefix, target=str(workspace.interpreter.prefix), system=True)
    ]
    mounts += [
        Mount(source=Path(folder), target=folder, system=True) for folder in _foreign(workspace.toolchain)
    ]
    mounts.append(Mount(source=workspace.environment.folder, target=workspace.environment.seen))
    if workspace.ccache:
        mounts.append(Mount(source=workspace.ccache, target=f"{root}/ccache", writable=True))
        if workspace.toolchain.lent:
            mounts.append(Mount(source=workspace.toolchain.lent, target=LENT_AT))
    if workspace.ascend:
        mounts.append(Mount(source=workspace.ascend, target=workspace.ascend_seen))
    if workspace.server:
        mounts.append(Mount(source=workspace.server.path, target=f"{root}/jobserver", writable=True))
    return Cage(
        work=workspace.work,
        mounts=tuple(mounts),
        env=variables(job, workspace),
        cwd=f"{root}/source/{_folder(job, workspace)}".removesuffix("/."),
        conditions=workspace.conditions,
    )


def _folder(job: BuildJob, workspace: Workspace) -> str:
    """Return the folder, below the source, that steps start in."""
    below = job.spec.subdirectory
    return below if job.spec.backend == "script" else project_folder(workspace.work / "source", below)


def _foreign(toolchain: Toolchain) -> list[str]:
    """Folders outside the system that the tools need: a gcc-toolset's root, CANN's whole tree."""
    folders = [folder.removesuffix("/usr/bin") for folder in toolchain.folders]
    if toolchain.cann_home and not toolchain.cann:
        folders.append(str(Path(toolchain.cann_home).parent))
    return [folder for folder in dict.fromkeys(folders) if not folder.startswith("/usr/")]


def write_shims(workspace: Workspace, urls: Mapping[str, str], *, debug_info: bool = False) -> None:
    """Write the commands that stand before the system's own; `urls` are the recipe's downloads."""
    folder = workspace.work / shims.FOLDER
    maps = {
        f"{workspace.root}/source": "/source",
        workspace.environment.seen: "/environment",
        workspace.root: "/work",
    }
    if not workspace.interpreter.of_system:
        maps[str(workspace.interpreter.prefix)] = "/python"
    ccache = workspace.toolchain.ccache if workspace.ccache else ""
    shims.write_compilers(
        folder,
        workspace.toolchain,
        maps,
        python=str(workspace.interpreter.prefix),
        ccache=ccache,
        debug_info=debug_info,
    )
    shims.write_downloaders(folder, str(workspace.interpreter.program), workspace.root, urls)
    make = workspace.toolchain.get("make")
    if make and workspace.server and not make_is_client(workspace.toolchain):
        shims.write_plain_make(folder, make.path, workspace.jobs)


def run_steps(job: BuildJob, workspace: Workspace, emit: Emit) -> None:
    """Run the job's steps, each in the cage, then its project's build backend where it has one, until one fails.

    Raises:
        NetworkWantedError: A step failed after it had asked for a host or a file of the network.
        StepFailedError: A step failed.
        EnvironmentIncompleteError, BackendUnusableError: The backend cannot be asked.
    """
    late = values(job, workspace)
    where = cage(job, workspace)

    def run(seen: Cage, words: Sequence[str]) -> None:
        _write_shell(workspace, seen)
        left = TimeLeft()
        status = run_logged(
            workspace.sandbox.command(seen, words),
            log=workspace.log,
            on_line=lambda line: emit(
                JobProgress(job=job.component, line=line, left=left.after(line, _CLOCK.monotonic()))
            ),
            own_group=False,
        )
        if status != 0:
            raise _failure(job, workspace, seen, words, status)

    for step in job.spec.steps:
        run(where, [fill(word, late) for word in step])
    if job.spec.backend == "pep517":
        _backend(job, workspace, where, run).build_wheel(workspace.work / "out")
    made = object_cache.objects(workspace.work)
    if made.found:
        text = (
            f"{job.component}: {made.found} of {made.found + made.compiled} objects had been compiled before"
        )
        emit(Note(text=text))


def _backend(job: BuildJob, workspace: Workspace, where: Cage, run: Run) -> Backend:
    return Backend(
        job=job,
        folder=workspace.work / "source" / _folder(job, workspace),
        work=workspace.work,
        root=workspace.root,
        where=where,
        environment=workspace.environment.seen,
        run=run,
    )


def _write_shell(workspace: Workspace, where: Cage) -> None:
    words = workspace.sandbox.shell(where)
    command = shlex.join(word.replace(str(workspace.place), str(workspace.kept)) for word in words)
    path = workspace.place / "shell.sh"
    path.write_text(f"#!/bin/sh\nexec {command}\n", encoding="utf-8")
    path.chmod(0o755)


def _failure(
    job: BuildJob, workspace: Workspace, where: Cage, words: Sequence[str], status: int
) -> WheelhouseError:
    lines = workspace.log.read_text(encoding="utf-8", errors="replace").splitlines()
    hosts = dict.fromkeys((*where.hosts_asked(), *_HOST_IN_LOG.findall("\n".join(lines))))
    wanted = (*shims.refused_urls(workspace.work), *hosts)
    telling = telling_lines(lines)
    told = "\n".join(telling)
    log, opens = (shlex.quote(str(workspace.kept / name)) for name in (workspace.log.name, "shell.sh"))
    shell = f"sh {opens} opens a shell in the same sandbox; the whole log is {log}"
    failed = f"The build of {job.component} failed: {shlex.join(words)} ended with status {status}"
    if filled_disk(telling):
        return StepDiskFullError(
            f"{failed}: its disk is full.",
            why=told,
            next_step="`df -h` shows the disks, and `invoke cache --prune` frees some of the store's; the /tmp of a "
            f"sealed build is in memory; {shell}",
        )
    if wanted and not compiler_refused(telling):
        return NetworkWantedError(
            f"The build of {job.component} wants the network: {', '.join(wanted)}.",
            why=f"A build has none: what it needs must be in the lock.\n{told}",
            next_step=f"add the file or repository to [[build.downloads]] or [[build.repositories]]; {shell}",
        )
    if lacked_memory(telling, status):
        return MemoryLackedError(
            f"{failed}: a program in it was killed, or got no memory.",
            why=f"Too many compilers ran at once for the memory of this host.\n{told}",
            next_step=f"raise `memory_mb` ({job.spec.memory_mb} now) in the [build] table of "
            f"recipes/{job.component}.toml: fewer run at once then; {shell}",
        )
    asked = f"\nIt had also asked for {', '.join(wanted)}, which no build can reach." if wanted else ""
    return StepFailedError(f"{failed}.", why=told + asked, next_step=shell)
