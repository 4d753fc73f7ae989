"""Install a wheelhouse on a node. Read this file first: it is the whole way, step by step.

1. The wheelhouse is checked: signature, serial, every file by digest (`supply`).
2. The node is compared with the wheelhouse's cell (`host`, `fitness`).
3. A new environment is built beside the old one (`environment`, `wheels`, `post_install`, `activate`).
4. Payloads (CANN and what belongs to it) are installed where asked for (`payloads`).
5. Once all of it is on the disk its receipt is written (`receipt`), and one rename makes it the current one.

The running environment is not touched before step 5. A killed install leaves a folder without a receipt,
which the next run throws away.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import getpass
import importlib
import os
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .. import documents, durable, last_line
from ..errors import UsageError, WheelhouseError
from ..given import read, require_sound
from ..host import pythons, toolkits
from ..layout import MANIFEST
from ..place import HOME, THIS, in_environment
from ..reading.contents import Contents, read_contents
from ..reading.supply import NoWheelhouseError, Supply, open_supply
from ..seen import is_folder
from ..talk import Talk
from . import (
    activate,
    bytecode,
    env_command,
    offline_index,
    payloads,
    python_archive,
    receipt,
    standing,
    trash,
    upkeep,
    wheels,
)
from .activate import ENTRIES
from .environment import Prefix
from .job import Job, folders, read_job
from .options import parser, require_read
from .post_install import finish

_UNTOUCHED = "The environment in use was not touched."
_HALF = f"{_UNTOUCHED} A package of CANN may be there by half; the next run installs it again."
_UMASK = 0o022


class NoAscendFolderError(UsageError):
    """The folder that was named for CANN is not there."""


class NoPrefixError(UsageError):
    """Nobody said where the environment stands."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the installer and return its exit code."""
    said = list(sys.argv[1:] if argv is None else argv)
    options = read(parser(), said)
    talk = Talk(as_json=options.json)
    os.umask(_UMASK)
    try:
        require_sound(options)
        require_read(options)
        options.said = said
        return _act(options, talk)
    except WheelhouseError as error:
        return talk.fail(error)
    except OSError as error:
        return talk.fail(last_line.unfit(error, _standing(options), _written(options)))
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback on a node
        return talk.fail(last_line.fault(error, "installer", _standing(options)))
    except KeyboardInterrupt as stop:
        return talk.stopped(stop, _standing(options), _following(options))


def _standing(options: argparse.Namespace) -> str:
    """Say what a run that was cut short has touched."""
    if vars(options).get("switched"):
        return "The new environment is in use."
    if options.fix and not options.dry_run:
        return "Some settings may be made already; --doctor without --fix shows which."
    if begun := vars(options).get("begun"):
        with contextlib.suppress(OSError):
            return str(begun.standing())
        return "What stands below the prefix cannot be read."
    return _HALF if options.payloads and not options.dry_run else _UNTOUCHED


def _following(options: argparse.Namespace) -> str:
    """Return what comes after a stopped run; a second rollback would go back further."""
    with contextlib.suppress(OSError):
        if options.rollback and (begun := vars(options).get("begun")) and begun.went_back:
            return shlex.join([*THIS.split(), "--prefix", str(begun.prefix.root), "--check"])
    return "the same command again"


def _written(options: argparse.Namespace) -> Path | None:
    return Prefix.at(options.prefix).root if options.prefix else None


def _act(options: argparse.Namespace, talk: Talk) -> int:
    _require_ascend(options)
    if options.doctor:
        return _doctor(options, talk)
    if options.env:
        env = options.environment.absolute() if options.environment else _prefix(options).required()
        return env_command.show(env, options.ascend, platform.machine(), talk)
    prefix = _prefix(options)
    if options.verify is not None:
        return _verify(options, prefix)
    if options.check:
        return upkeep.check(prefix, talk)
    for act in (upkeep.rollback, upkeep.uninstall):
        if getattr(options, act.__name__):
            options.begun = None if options.dry_run else upkeep.Begun.at(prefix)
            return act(prefix, talk, dry_run=options.dry_run)
    return install(options, prefix, talk)


def _prefix(options: argparse.Namespace) -> Prefix:
    if options.prefix is None:
        raise NoPrefixError(
            "No --prefix was given.",
            next_step=shlex.join([*THIS.split(), "--prefix", "/opt/sglang-npu", *options.said]),
        )
    return Prefix.at(options.prefix)


def _verify(options: argparse.Namespace, prefix: Prefix) -> int:
    probes = importlib.import_module("..verify.program", __package__)
    words = ["--prefix", str(prefix.root), "--manifest", str(prefix.required() / MANIFEST)]
    words += ["--ascend", options.ascend] if options.ascend else []
    words += ["--json"] if options.json else []
    return int(probes.main([*words, *options.verify]))


def _doctor(options: argparse.Namespace, talk: Talk) -> int:
    contents: Contents | None
    try:
        contents = open_supply(options.bundle, options.base).contents
    except NoWheelhouseError:
        contents = _installed(options)
    doctor = importlib.import_module("..host.doctor", __package__)
    return int(
        doctor.check(
            Path("/"),
            options.ascend,
            contents,
            fix=options.fix,
            dry_run=options.dry_run,
            talk=talk,
            prefix=Prefix.at(options.prefix).root if options.prefix else _prefix_around(),
        )
    )


def _prefix_around() -> Path | None:
    """Return the prefix whose environment the installer stands in; None where it stands elsewhere."""
    return HOME.parent.parent if in_environment() else None


def _installed(options: argparse.Namespace) -> Contents | None:
    """Return what an environment was made from: the one in use of a prefix, else that around the installer, if any."""
    around = HOME if in_environment() else None
    env = Prefix.at(options.prefix).active() if options.prefix else around
    return read_contents(documents.bytes_of(env / MANIFEST)) if env else None


def install(options: argparse.Namespace, prefix: Prefix, talk: Talk) -> int:
    """Install the wheelhouse that the options name below `prefix`."""
    supply = open_supply(options.bundle, options.base, said=options.said)
    contents, active = supply.contents, prefix.active()
    verified = supply.bundle.verify(
        options.trusted_key,
        insecure=options.insecure_no_signature,
        installed_serial=receipt.read(active).get("serial") if active else None,
        allow_rollback=options.allow_rollback,
    )
    signer = verified.fingerprint
    talk.say(f"checked {len(contents.files)} files of {contents.stack}, signed by {signer or 'nobody'}")
    job = read_job(options, prefix, supply, signer)
    ready = None if job.due else standing.find(prefix, active, contents, options, talk)
    if ready is None:
        job.require_space()
    if options.dry_run:
        steps = _plan(options, contents, prefix, job, ready)
        talk.answer("\n".join(["Would do:", *(f"- {step}" for step in steps)]), job.facts | upkeep.DRY)
        return 0
    with prefix.locked():
        if prefix.active() != active:  # its serial was not held against this one's
            raise prefix.busy()
        if ready and ready == active:
            return upkeep.keep(prefix, ready, job.facts, talk)
        env = ready or build(options, prefix, supply, job, talk)
        if ready:
            talk.say(f"{ready} was left by a rollback, and is as its receipt says")
            receipt.note_signer(ready, signer)
        prefix.switch(env)
        options.switched = True
        removed = prefix.prune()
    talk.say(f"switched to {env}" + (f", removed {', '.join(removed)}" if removed else ""))
    following = f". {shlex.quote(str(prefix.root / ENTRIES[0]))}"
    text = f"{contents.stack} is installed\n{_lacking(contents, job)}\nNext: {following}"
    talk.answer(text, job.facts | {"changed": True, "environment": str(env)})
    return 0


def _require_ascend(options: argparse.Namespace) -> None:
    """Hold the folder of CANN to being there; only payloads are installed into one that is not there yet."""
    place = toolkits.at_home(options.ascend)
    if not options.ascend or options.payloads or is_folder(place):
        return
    asks = options.doctor or options.env or options.verify is not None
    raise NoAscendFolderError(
        f"--ascend {options.ascend} is no folder.",
        why="The path was mistyped, or CANN is still to come there."
        + ("" if asks else " It would be noted for every later start."),
        next_step="correct the path, or leave --ascend out: the usual folders are looked at then"
        if asks
        else f"mkdir -p {shlex.quote(str(place))}, if CANN is to come there; then the same command",
    )


def build(options: argparse.Namespace, prefix: Prefix, supply: Supply, job: Job, talk: Talk) -> Path:
    """Build a new environment beside the one in use and return its folder; it is not in use yet."""
    contents = supply.contents
    trash.empty(prefix.root, wait=True)  # its space was counted as free
    prefix.work.mkdir()
    env = prefix.begin()
    talk.say(f"building {env}")
    with ThreadPoolExecutor() as pool:
        chosen = pool.submit(
            wheels.choose, supply.tools(prefix.work), prefix.work, prefix.log, prefer=options.installer
        )
        folder = supply.unpack(prefix.work, folders(options))
        wheels.create_environment(_interpreter(options, contents, folder, prefix), env, prefix.log)
    _tell_reach(env, talk)
    tool = chosen.result()
    tool.sync(env, folder / contents.requirements, folder / "wheels")
    talk.say(f"installed {len(contents.of_kind('wheel'))} wheels with {tool.name}")
    done = finish(env, contents, folder, tool)
    if options.compile_bytecode:
        talk.say("compiling what was installed, on all processors")
        talk.say(bytecode.compile_all(env, prefix.log))
    if options.offline_index:
        offline_index.keep(folder, env, prefix.root, contents)
    done += payloads.install(
        job.payloads,
        folder=folder,
        ascend=job.host.ascend,
        cann=contents.cell.get("cann", ""),
        env=env,
        log=prefix.log,
        talk=talk,
    )
    activate.write_entries(env, contents.environment)
    (env / MANIFEST).write_bytes(supply.manifest)
    record = job.facts | _circumstances(prefix, contents, env)
    record |= {"ascend": _place(options, job), bytecode.FACT: options.compile_bytecode}
    durable.flush(prefix.root, env)  # its receipt says that it is whole, after a power loss too
    seconds = round(time.monotonic() - talk.started, 1)
    receipt.write(env, record | {"installer": tool.name, "done": done, "seconds": seconds})
    return env


def _tell_reach(env: Path, talk: Talk) -> None:
    """Tell of a Python that others cannot start, where they reach the environment: a service runs as another user."""
    closed = pythons.closed_folder(env / "bin/python")
    if closed and not pythons.closed_folder(env):
        talk.say(
            f"warning: {closed} is closed to other users, and the environment's Python stands below it: they cannot "
            "start it. For a service under another user, install with a Python of the system"
        )


def _place(options: argparse.Namespace, job: Job) -> str:
    """Return the folder of CANN as it is to be found again: one toolkit's own where that one was named."""
    named = options.ascend or os.environ.get("ASCEND_ROOT", "")
    return str(toolkits.at_home(named).absolute()) if named else str(job.host.ascend)


def _interpreter(options: argparse.Namespace, contents: Contents, folder: Path, prefix: Prefix) -> str:
    archive = python_archive.find(contents) if options.payloads else None
    if archive is None:
        return pythons.find(contents.cell.get("python", pythons.running())) or sys.executable
    wanted = contents.cell.get("python", pythons.running())
    return python_archive.unpack(folder / archive.path, archive.sha256, prefix.root, wanted=wanted)


def _circumstances(prefix: Prefix, contents: Contents, env: Path) -> dict[str, Any]:
    active = prefix.active()
    return {
        "platform": contents.platform,
        "serial": contents.serial,
        "environment": str(env),
        "previous": active.name if active else None,
        "installed_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
        "user": getpass.getuser() if os.environ.get("USER") else str(os.getuid()),
    }


def _lacking(contents: Contents, job: Job) -> str:
    rows = [
        f"- {item['name']}: found {item['found']}, wanted {item['wanted']}" for item in job.facts["findings"]
    ]
    rows += [f"- {item['component']}: not in this wheelhouse" for item in contents.pending]
    return "\n".join(["\nIt still takes, to serve on NPUs:", *rows, ""]) if rows else ""


def _plan(
    options: argparse.Namespace, contents: Contents, prefix: Prefix, job: Job, ready: Path | None
) -> list[str]:
    """Return what an install would do, `ready` being what stands already of it."""
    if ready:
        kept = ready == prefix.in_use()
        return [
            f"nothing: {contents.stack} is installed in {ready}" if kept else f"go forward again to {ready}"
        ]
    packed = contents.of_kind("wheel")
    size = sum(item.size for item in packed) / 1e6
    return [
        f"install {len(packed)} wheels ({size:.0f} MB) of {contents.stack}",
        f"into a new environment below {prefix.envs}, then switch {prefix.root}/current to it",
        *(["compile their modules"] if options.compile_bytecode else []),
        *(f"payload {item.entry.path}: {item.standing or 'install'}" for item in job.payloads),
        *(f"{step['action']} for {step['component']}" for step in contents.post_install),
        *(f"left out, pending: {item['component']} ({item['reason']})" for item in contents.pending),
    ]
