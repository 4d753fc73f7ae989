"""The same steps in a container image: docker or podman, without a network, the build's folder mounted.

The image brings compilers, CANN and Python; sources and the build environment come from the store as
always. The image's own digest is part of the key.
"""

from __future__ import annotations

import csv
import io
import os
import secrets
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import TimeoutExpired
from typing import ClassVar

from ascend_wheelhouse.base.errors import HostUnfitError
from ascend_wheelhouse.base.process import CommandFailedError, Finished, run
from ascend_wheelhouse.build import engine as client
from ascend_wheelhouse.build.environment import Interpreter, InterpreterMissingError
from ascend_wheelhouse.build.image_libraries import ASK, ImageLibraries, copy_libraries, libraries_of
from ascend_wheelhouse.build.keys import digest_of
from ascend_wheelhouse.build.sandbox import Cage, Sandbox

_ENGINES = ("docker", "podman")
ANSWER_SECONDS = 60.0
"""How long an engine is waited for that has no work to do: docker's daemon can hang."""
_PROXIES = frozenset(
    spelt
    for name in ("ALL", "FTP", "HTTP", "HTTPS", "NO")
    for spelt in (f"{name}_PROXY", f"{name.lower()}_proxy")
)
"""Variables that podman hands on from the caller (`--http-proxy`), and docker from its client's settings."""
_ROOTLESS = (("{{.Host.Security.Rootless}}", "true"), ("{{.SecurityOptions}}", "name=rootless"))
_PYTHON = """
for p in python{version} /opt/python/cp{tag}-cp{tag}/bin/python /usr/local/python{version}*/bin/python3; do
  command -v "$p" >/dev/null 2>&1 || continue
  "$p" -I -c 'import sys, sysconfig as s
print(sys.executable, sys.base_prefix, sep=chr(10))
print(sys.version.replace(chr(10), " "), s.get_config_var("CFLAGS"))'
  exit
done
exit 1
"""


class ContainerUnavailableError(HostUnfitError):
    """No container engine works here, or the image is not on this host."""


@dataclass(frozen=True, kw_only=True)
class Container(Sandbox):
    """An image, run by docker or podman.

    Args:
        engine: The engine's command.
        image: The image as it was named.
        digest: The image's own id.
        rootless: The engine maps its user to root inside, and has no other user that could write here.
    """

    engine: str
    image: str
    digest: str
    rootless: bool = False
    name: ClassVar[str] = "container"

    @classmethod
    def of(cls, image: str, engines: Sequence[str] = _ENGINES) -> Container:
        """Return the container of an image that is on this host.

        Raises:
            ContainerUnavailableError: No engine answers, or none has the image.
        """
        reasons = []
        for engine in (found for found in engines if shutil.which(found)):
            try:
                done = run([engine, "image", "inspect", "--format", "{{.Id}}", image], timeout=ANSWER_SECONDS)
            except CommandFailedError as error:
                reasons.append(f"{engine}: {error.tail()}")
            except TimeoutExpired:
                reasons.append(f"{engine}: it does not answer within {ANSWER_SECONDS:g} s")
            else:
                digest = f"sha256:{done.stdout.strip().removeprefix('sha256:')}"
                return cls(engine=engine, image=image, digest=digest, rootless=_is_rootless(engine))
        raise ContainerUnavailableError(
            f"The image {image} cannot be used on this host.",
            why="; ".join(reasons) or "Neither docker nor podman is installed.",
            next_step=f"docker pull {image} (or podman) on a connected host, or build without --container",
        )

    @property
    def identity(self) -> str:
        """What goes into the key and the manifest."""
        return f"container:{self.image}@{self.digest}"

    @property
    def image_digest(self) -> str:
        """The image's own id, which covers every file of its compilers and headers."""
        return self.digest

    def command(self, cage: Cage, argv: Sequence[str]) -> list[str]:
        """Return the engine's argument list; the container is gone when the command ends, or is killed."""
        name = f"wheelhouse-{secrets.token_hex(8)}"
        guard = [sys.executable, "-I", client.__file__, self.engine, name]
        return [*guard, *self._run("--name", name), *self._inner(cage, argv)]

    def shell(self, cage: Cage) -> list[str]:
        """Return the argument list of a shell in a container of its own."""
        return [*self._run("--interactive", "--tty"), *self._inner(cage, ["/bin/bash", "-i"])]

    def _run(self, *options: str) -> list[str]:
        """Return how a container of the very image starts: by its id, since a tag may move meanwhile."""
        always = ("--rm", "--pull", "never", "--network", "none", "--security-opt", "label=disable")
        return [self.engine, "run", *always, *options]

    def _inner(self, cage: Cage, argv: Sequence[str]) -> list[str]:
        conditions = cage.conditions
        user = "0:0" if self.rootless else f"{os.getuid()}:{os.getgid()}"
        words = ["--hostname", conditions.hostname, "--user", user, "--workdir", cage.cwd]
        words += ["--entrypoint", "", *_bind(str(cage.work), conditions.root, writable=True)]
        if conditions.cores:
            words += ["--cpuset-cpus", f"0-{conditions.cores - 1}"]
        for mount in cage.mounts:
            if not mount.system:
                words += _bind(str(mount.source), mount.target, writable=mount.writable)
        for variable, value in sorted(cage.env.items()):
            words += ["--env", f"{variable}={value}"]
        foreign = " ".join(sorted(_PROXIES - cage.env.keys()))
        shell = f'umask {conditions.umask:o}; unset {foreign}; exec "$@"'
        return [*words, self.digest, "/bin/sh", "-c", shell, "sh", *argv]

    def probe(self, script: str) -> str:
        """Run the toolchain's probe script in the image."""
        return run([*self._run("--entrypoint", ""), self.digest, "sh", "-c", script]).stdout

    def libraries(
        self, needed: Iterable[str], folder: Path, *, machine: str, left: Sequence[str]
    ) -> ImageLibraries:
        """Return the image's libraries that a wheel needs, copied out of it."""
        wanted = frozenset(needed)
        known = libraries_of(self.probe(ASK), machine) if wanted else {}
        return copy_libraries(
            wanted, folder, known=known, image=self.identity, left=left, copied=self._copied
        )

    def _copied(self, paths: Sequence[str], folder: Path) -> None:
        """Copy files of the image, with what links among them lead to, into a folder."""
        cage = Cage(work=folder)
        run(self.command(cage, ["cp", "-L", "--", *paths, f"{cage.conditions.root}/"]))

    def holds_cores(self) -> bool:
        """Tell whether the engine keeps a container to some cores: without cgroups it refuses, or does not."""
        words = [*self._run("--entrypoint", "", "--cpuset-cpus", "0"), self.digest, "nproc"]
        done = _answer(words)
        return done is not None and done.stdout.strip() == "1"

    def interpreter(self, python: str) -> Interpreter:
        """Return the image's CPython of a version.

        Raises:
            InterpreterMissingError: It has none.
        """
        script = _PYTHON.format(version=python, tag=python.replace(".", ""))
        try:
            program, prefix, *facts = self.probe(script).splitlines()
        except (CommandFailedError, ValueError) as error:
            raise InterpreterMissingError(
                f"The image {self.image} has no CPython {python}.", next_step="name another --container"
            ) from error
        identity = digest_of({"facts": facts, "image": self.digest})
        return Interpreter(program=Path(program), prefix=Path(prefix), identity=identity)


def _bind(source: str, target: str, *, writable: bool) -> list[str]:
    """Return the words that show a folder in a container.

    `--volume` splits its word at each `:`. That of `--mount` is a line of CSV, which can quote what it holds; older
    engines read it in other ways, so it is taken where `--volume` cannot be.
    """
    if ":" not in source + target:
        return ["--volume", f"{source}:{target}:{'rw' if writable else 'ro'}"]
    line = io.StringIO()
    fields = ["type=bind", f"source={source}", f"target={target}", *([] if writable else ["readonly"])]
    csv.writer(line, lineterminator="").writerow(fields)
    return ["--mount", line.getvalue()]


def _is_rootless(engine: str) -> bool:
    """Tell whether an engine runs without root rights, as podman or as docker says it."""
    for question, answer in _ROOTLESS:
        done = _answer([engine, "info", "--format", question])
        if done is not None and done.status == 0:
            return answer in done.stdout
    return False


def _answer(words: Sequence[str]) -> Finished | None:
    """Return what an engine says, whatever its status; None where it does not come to an end."""
    try:
        return run(words, check=False, timeout=ANSWER_SECONDS)
    except TimeoutExpired:
        return None
