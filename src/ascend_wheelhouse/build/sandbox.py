"""Where builds run: without a network and without a view of the host.

A `Cage` says what a command may see: folders, variables, conditions. A `Sandbox` turns a cage and a command
into an argument list for this host: bubblewrap where it works, plain namespaces of util-linux where it does
not. Both start with the name server of `nxdomain.py`, so no name resolves. Without either there is a refusal,
and `--no-sandbox` to go on all the same.
"""

from __future__ import annotations

import os
import shlex
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import TimeoutExpired
from typing import ClassVar

from ascend_wheelhouse.base.errors import HostUnfitError
from ascend_wheelhouse.base.process import run
from ascend_wheelhouse.build import nxdomain
from ascend_wheelhouse.build.conditions import NORMAL, Conditions
from ascend_wheelhouse.build.library_source import LibrarySource
from ascend_wheelhouse.node.scratch import scratch

_SYSTEM = ("bin", "lib", "lib32", "lib64", "sbin")
_ETC = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime")
_DEVICES = ("full", "null", "random", "tty", "urandom", "zero")
TRIAL_SECONDS = 30.0
"""How long `true` may take in a sandbox that is tried."""


class SandboxUnavailableError(HostUnfitError):
    """No kind of sandbox works on this host (exit 10)."""


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A folder or file of the host, seen inside at `target`; read-only unless said otherwise.

    Args:
        source: On the host.
        target: As seen inside.
        writable: Let the command change it.
        system: It belongs to the builder's system: a container has its own.
    """

    source: Path
    target: str
    writable: bool = False
    system: bool = False


@dataclass(frozen=True, kw_only=True)
class Cage:
    """What a command may see.

    Args:
        work: The build's own folder on the host, seen inside at the conditions' root.
        mounts: What else is seen, later ones above earlier ones.
        env: The whole environment.
        cwd: Where the command starts, as seen inside.
        conditions: What the command sees of the builder.
    """

    work: Path
    mounts: tuple[Mount, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/"
    conditions: Conditions = NORMAL

    @property
    def network_log(self) -> Path:
        """The names of hosts that were asked for, one a line."""
        return self.work.parent / f"{self.work.name}.network.log"

    def hosts_asked(self) -> tuple[str, ...]:
        """Return the hosts whose names the command looked up, in order, each once."""
        if not self.network_log.exists():
            return ()
        return tuple(dict.fromkeys(self.network_log.read_text(encoding="utf-8").split()))

    def all_mounts(self) -> Iterator[Mount]:
        """Yield every mount: the system, the small `/etc`, the work folder, then the cage's own."""
        etc = self._write_etc()
        yield Mount(source=Path("/usr"), target="/usr")
        yield from (
            Mount(source=path, target=str(path))
            for path in (Path("/", name) for name in _SYSTEM)
            if path.is_dir()
        )
        yield from (
            Mount(source=Path("/etc", name), target=f"/etc/{name}")
            for name in _ETC
            if Path("/etc", name).exists()
        )
        yield from (Mount(source=path, target=f"/etc/{path.name}") for path in sorted(etc.iterdir()))
        yield Mount(source=self.work, target=self.conditions.root, writable=True)
        yield from self.mounts

    def _write_etc(self) -> Path:
        folder = self.work.parent / f"{self.work.name}.etc"
        folder.mkdir(exist_ok=True)
        name, number = self.conditions.user
        host = self.conditions.hostname
        root = self.conditions.root
        files = {
            "passwd": f"root:x:0:0:root:/:/bin/sh\n{name}:x:{number}:{number}:{name}:{root}/home:/bin/sh\n",
            "group": f"root:x:0:\n{name}:x:{number}:\n",
            "hosts": f"127.0.0.1 localhost {host}\n::1 localhost {host}\n",
            "resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
            "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
        }
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
        return folder


class Sandbox(ABC):
    """Turns a cage and a command into an argument list that this host can run."""

    name: ClassVar[str]
    sealed: ClassVar[bool] = True

    @property
    def identity(self) -> str:
        """What the manifest says of it."""
        return self.name

    @property
    def image_digest(self) -> str:
        """The digest of the image that its system is; empty where it is this host's, or one of ours."""
        return ""

    def libraries(
        self, needed: Iterable[str], folder: Path, *, machine: str, left: Sequence[str]
    ) -> LibrarySource | None:
        """Return what a wheel that is built here may take along; None where that is what this host itself has.

        Args:
            needed: The sonames that the wheel needs.
            folder: An empty folder, for copies.
            machine: The wheel's machine.
            left: Patterns of what every node has.
        """
        del needed, folder, machine, left
        return None

    def command(self, cage: Cage, argv: Sequence[str]) -> list[str]:
        """Return the argument list that runs `argv` in the cage; its environment is the cage's alone."""
        conditions = cage.conditions
        cage.network_log.unlink(missing_ok=True)
        return [
            *("unshare", "--user", "--map-root-user", "--net", "--"),
            *(sys.executable, "-I", "-S", nxdomain.__file__, str(cage.network_log)),
            *(f"{conditions.umask:o}", str(conditions.cores)),
            *self._inner(cage, argv),
        ]

    def shell(self, cage: Cage) -> list[str]:
        """Return the argument list of a shell in the cage, for a person."""
        return self.command(cage, ["/bin/bash", "-i"])

    @abstractmethod
    def _inner(self, cage: Cage, argv: Sequence[str]) -> list[str]: ...


class Bubblewrap(Sandbox):
    """bubblewrap: any user, a chosen uid inside."""

    name = "bubblewrap"

    def _inner(self, cage: Cage, argv: Sequence[str]) -> list[str]:
        number = str(cage.conditions.user[1])
        words = ["bwrap", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--clearenv"]
        words += ["--uid", number, "--gid", number, "--hostname", cage.conditions.hostname]
        words += ["--die-with-parent", "--new-session", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108 - a fresh one inside
        for mount in cage.all_mounts():
            words += ["--bind" if mount.writable else "--ro-bind", str(mount.source), mount.target]
        for variable, value in sorted(cage.env.items()):
            words += ["--setenv", variable, value]
        return [*words, "--chdir", cage.cwd, "--", *argv]


class Namespaces(Sandbox):
    """util-linux alone: bind mounts under a fresh root and `chroot`; the user inside is always root."""

    name = "namespaces"

    def _inner(self, cage: Cage, argv: Sequence[str]) -> list[str]:
        script = "\n".join(self._script(cage))
        variables = [f"{variable}={value}" for variable, value in sorted(cage.env.items())]
        inside = ["/usr/bin/env", "-i", *variables, "/bin/sh", "-c", 'cd "$0" && exec "$@"', cage.cwd, *argv]
        outer = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--"]
        return [*outer, "/bin/sh", "-ec", script, "sandbox", *inside]

    @staticmethod
    def _script(cage: Cage) -> Iterator[str]:
        root = cage.work.parent / f"{cage.work.name}.root"
        root.mkdir(exist_ok=True)
        yield f"R={shlex.quote(str(root))}"
        yield 'mount -t tmpfs tmpfs "$R"'
        yield 'mkdir -m 1777 "$R/tmp"; mkdir -p "$R/dev/shm" "$R/proc"; mount -t proc proc "$R/proc"'
        for device in _DEVICES:
            yield f': > "$R/dev/{device}"; mount --bind /dev/{device} "$R/dev/{device}"'
        for mount in cage.all_mounts():
            source, target = shlex.quote(str(mount.source)), shlex.quote(mount.target)
            make = "mkdir -p" if mount.source.is_dir() else "touch"
            yield f'T="$R"{target}; mkdir -p "$(dirname "$T")"; {make} "$T"; mount --rbind {source} "$T"'
            if not mount.writable:
                yield 'mount -o remount,bind,ro "$T" 2>/dev/null || true'
        yield f"hostname {shlex.quote(cage.conditions.hostname)}"
        yield 'chroot "$R" "$@"; exit $?'


_WORKED: set[tuple[type[Sandbox], str]] = set()


def find_sandbox(kinds: Sequence[Sandbox] = (Bubblewrap(), Namespaces())) -> Sandbox:
    """Return the first kind of sandbox that works here; each is tried by running `true` in it.

    Raises:
        SandboxUnavailableError: None works.
    """
    reasons: list[str] = []
    for kind in kinds:
        reason = _trial(kind)
        if reason is None:
            return kind
        reasons.append(f"{kind.name}: {reason}")
    raise SandboxUnavailableError(
        "No sandbox without a network can be made on this host.",
        why="; ".join(reasons),
        next_step="install bubblewrap or allow user namespaces, build in an image with --container, "
        "or accept an unsealed build with --no-sandbox (the manifest will say so)",
    )


def _trial(kind: Sandbox) -> str | None:
    """Return why a kind of sandbox does not work here; what has worked is not tried again by this process."""
    tried = (type(kind), os.environ.get("PATH", ""))
    if tried in _WORKED:
        return None
    reason = _tried(kind)
    if reason is None:
        _WORKED.add(tried)
    return reason


def _tried(kind: Sandbox) -> str | None:
    with scratch() as folder:
        work = folder / "work"
        work.mkdir()
        try:
            done = run(kind.command(Cage(work=work), ["/bin/true"]), check=False, timeout=TRIAL_SECONDS)
        except HostUnfitError as error:
            return error.what
        except TimeoutExpired:
            return f"it did not end within {TRIAL_SECONDS:g} s"
    lines = (done.stderr or f"status {done.status}").strip().splitlines()
    return None if done.status == 0 else lines[-1]


class Unsealed(Sandbox):
    """The host as it is: the cage's root must be its work folder, and mounts below it become links."""

    name = "none"
    sealed = False

    def command(self, cage: Cage, argv: Sequence[str]) -> list[str]:
        """Return the argument list that runs `argv` on the host with the cage's environment."""
        _link_mounts(cage)
        return self._inner(cage, argv)

    def _inner(self, cage: Cage, argv: Sequence[str]) -> list[str]:
        variables = [f"{variable}={value}" for variable, value in sorted(cage.env.items())]
        mask = f"umask {cage.conditions.umask:o}"
        return [
            "/usr/bin/env",
            "-i",
            *variables,
            "/bin/sh",
            "-c",
            f'{mask}; cd "$0" && exec "$@"',
            cage.cwd,
            *argv,
        ]


class NetworkNamespace(Unsealed):
    """The host as it is, but for the network: for hosts that let nobody mount anything."""

    name = "network-namespace"

    def command(self, cage: Cage, argv: Sequence[str]) -> list[str]:
        """Return the argument list that runs `argv` on the host, in a network of its own."""
        _link_mounts(cage)
        return Sandbox.command(self, cage, argv)


def _link_mounts(cage: Cage) -> None:
    for mount in cage.mounts:
        target = Path(mount.target)
        if target.is_relative_to(cage.work) and not target.exists():
            target.symlink_to(mount.source)


def find_best(told: Callable[[str], None]) -> Sandbox:
    """Return the best that this host can do, for builds whose result a missing sandbox does not change.

    Args:
        told: Called with the reason where it is no sandbox.
    """
    try:
        return find_sandbox()
    except SandboxUnavailableError as error:
        told(error.why)
    kind = NetworkNamespace()
    return kind if _trial(kind) is None else Unsealed()
