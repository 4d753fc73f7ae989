"""Where environments stand: each in a folder of its own, the one in use named by a symlink.

Below the prefix, `envs/0007` is an environment and `current` points at the one in use. A new one is built
beside the old one and becomes current by one rename, so a killed install leaves the old one working; an
environment without a receipt was never finished and is thrown away by the next run. A lock keeps two installs
apart; the kernel frees it when its holder dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .. import durable
from ..errors import HostUnfitError, UsageError
from ..host.toolkits import at_home
from ..place import with_bundle
from . import receipt_file, trash
from .activate import ENTRIES, lead_in, point
from .receipt_file import RECEIPT, BadReceiptError

MARKER = ".sglang-npu-prefix"
_OWN = ("current", *ENTRIES, "envs", "index", "python", ".work", "install.log")
_SHARED = {"index": "pip.conf", "python": "pyvenv.cfg"}
"""What several environments may use, and the file of each by which one names its own."""
_REPORT = ".verify.json"
"""What follows an environment's name in that of the report of its verification, which stands beside it."""


class PrefixNotOursError(UsageError):
    """The prefix holds files that no install of this tool put there."""


class PrefixBusyError(HostUnfitError):
    """Another install works in the same prefix."""


class PrefixNotWritableError(HostUnfitError):
    """The user may not write where the environment should stand."""


class NothingInstalledError(UsageError):
    """The prefix has no environment."""


class NoPreviousError(UsageError):
    """There is no earlier environment to go back to."""


@dataclass(frozen=True, kw_only=True)
class Prefix:
    """One place with environments; `root` is an absolute folder."""

    root: Path

    @classmethod
    def at(cls, named: Path) -> Prefix:
        """Return the prefix by the name that it was given; a shell leaves the `~` of `--prefix=~/npu` as it is.

        Links stay in it, since they may be moved to another disk; `..` does not, which a link would lead astray.
        """
        place = at_home(str(named))
        return cls(root=place.resolve() if ".." in place.parts else place.absolute())

    @property
    def envs(self) -> Path:
        """The folder that holds every environment."""
        return self.root / "envs"

    @property
    def work(self) -> Path:
        """A scratch folder on the same file system, empty between runs."""
        return self.root / ".work"

    @property
    def log(self) -> Path:
        """What every command printed."""
        return self.root / "install.log"

    @contextlib.contextmanager
    def locked(self, *, standing: bool = False) -> Iterator[None]:
        """Claim the prefix, creating it where needed, and clear away what a killed run left.

        Args:
            standing: It is about what stands there, so that another prefix is no way out.

        Raises:
            PrefixNotOursError: It is a folder of something else.
            PrefixNotWritableError: The user may not write there.
            PrefixBusyError: Another install holds it.
        """
        self._claim(standing=standing)
        lock = self.root / ".lock"
        with self._opened(lock) as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise self.busy() from error
            if not _stands_at(lock, handle):  # an uninstall was about to end
                raise self.busy()
            self._mark()  # it may have taken the marker away
            self.envs.mkdir(exist_ok=True)
            self._sweep()
            try:
                yield
            finally:
                for clear in (self._sweep, lambda: trash.empty(self.root)):
                    with contextlib.suppress(OSError):  # what ended the run is what is told
                        clear()

    def _opened(self, lock: Path) -> IO[str]:
        try:
            number = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
            return os.fdopen(number, "w")
        except FileNotFoundError as error:
            raise self.busy() from error

    def busy(self) -> PrefixBusyError:
        """Return the error that another run works in the prefix."""
        return PrefixBusyError(
            f"Another install works in {self.root}.", next_step="wait for it, then run this again"
        )

    def _claim(self, *, standing: bool) -> None:
        try:
            self.require_ours()
            self._mark()
        except (FileNotFoundError, FileExistsError) as error:
            if self.root.exists() and not self.root.is_dir():
                raise
            raise self.busy() from error  # an uninstall took the folder away meanwhile
        except PermissionError as error:
            raise PrefixNotWritableError(
                f"You may not write below {self.root}.",
                why="It belongs to another user."
                if standing
                else "Environments under /opt need root; one below your home folder does not.",
                next_step="the same command with sudo, or as the user who installed it"
                if standing
                else "--prefix ~/sglang-npu, or the same command with sudo",
            ) from error

    def _mark(self) -> None:
        """Make the folder and its marker, before all else: a run that is killed here leaves what the next knows."""
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / MARKER).touch()

    def require_ours(self) -> None:
        """Hold the prefix to being a folder of this tool, or none at all; nothing is written.

        Raises:
            PrefixNotOursError: It is a folder of something else.
        """
        if self._is_foreign():
            raise PrefixNotOursError(
                f"{self.root} holds files that this tool did not put there.",
                next_step="name an empty or a new folder with --prefix",
            )

    def _is_foreign(self) -> bool:
        """Tell whether something is there and no marker, twice: a run makes it first, an uninstall removes it last."""
        before: set[str] = set()
        while (names := self._others()) and not (self.root / MARKER).exists():
            if names == before:
                return True
            before = names
        return False

    def _others(self) -> set[str]:
        try:
            return {path.name for path in self.root.iterdir()} - {".lock", MARKER}
        except (FileNotFoundError, NotADirectoryError):
            return set()

    def unfinished(self) -> list[Path]:
        """Return the folders that a run left which was cut short; the next one clears them away.

        One with another name than an environment's, such as `lost+found`, is nobody's of ours.
        """
        held = set(filter(_is_ours, self.envs.iterdir() if self.envs.is_dir() else ())) - {self.in_use()}
        return [self.work, *(one for one in held if not (one / RECEIPT).is_file())]

    def _sweep(self) -> None:
        for path in self.unfinished():
            trash.throw_away(path, self.root)
        for name in ("current", *ENTRIES):
            (self.root / f"{name}.new").unlink(missing_ok=True)
        for folder in ("index", "python"):
            for half in (self.root / folder).glob("*.new"):
                trash.throw_away(half, self.root)

    def in_use(self) -> Path | None:
        """Return the folder that `current` leads to, below `envs` by the prefix's own name; None without one."""
        folder = self.root / "current"
        if not folder.is_dir():
            return None
        held = self.envs.iterdir() if self.envs.is_dir() else ()
        return next((env for env in held if env.is_dir() and env.samefile(folder)), folder.resolve())

    def active(self) -> Path | None:
        """Return the environment in use, or None.

        Raises:
            BadReceiptError: Its receipt is gone: which serial it has, and whether it is whole, nobody can tell.
        """
        env = self.in_use()
        if env is not None:
            receipt_file.require(env)
        return env

    def required(self) -> Path:
        """Return the environment in use.

        Raises:
            NothingInstalledError: There is none.
            BadReceiptError: Its receipt is gone.
        """
        active = self.active()
        if active is None:
            raise NothingInstalledError(
                f"Nothing is installed in {self.root}.", next_step=with_bundle(["--prefix", str(self.root)])
            )
        return active

    def begin(self) -> Path:
        """Return the folder of a new environment; it does not exist yet."""
        last = max(map(_number, self.envs.iterdir()), default=0)
        return self.envs / f"{last + 1:04d}"

    def switch(self, env: Path) -> None:
        """Make an environment the one in use, by one rename; later calls through `activate` and `run` reach it."""
        lead_in(self.root)
        point(self.root / "current", f"envs/{env.name}")  # last: what is in use can be entered
        durable.flush_names(self.root)  # what was replaced may be removed from now on

    def previous(self) -> Path:
        """Return the environment that the one in use replaced.

        Where the receipt that names it is damaged, it is the last that was finished before: no other is kept.

        Raises:
            NothingInstalledError: There is none in use.
            NoPreviousError: There is none, or it was removed.
        """
        active = self.in_use() or self.required()
        try:
            name = receipt_file.read(active).get("previous")
        except BadReceiptError:
            name = self._last_before(active)
        folder = self.envs / str(name)
        if name is None or not (folder / RECEIPT).is_file():
            later = max((one.name for one in self.finished() if one.name > active.name), default=None)
            raise NoPreviousError(
                f"{self.root} holds no environment before {active.name}, which is in use.",
                why=f"{later} is newer, and no rollback goes forward to it." if later else "",
                next_step=f"install the {'newer' if later else 'older'} wheelhouse again, with its own install.py",
            )
        return folder

    def _last_before(self, active: Path) -> str | None:
        return max((one.name for one in self.finished() if one.name < active.name), default=None)

    def finished(self) -> list[Path]:
        """Return the environments that have a receipt, in no order."""
        held = self.envs.iterdir() if self.envs.is_dir() else ()
        return [one for one in held if (one / RECEIPT).is_file()]

    def prune(self, *, newer: bool = True) -> list[str]:
        """Throw away all but the environment in use and the one before it, with their reports; return their names.

        Nothing is, where the environment in use is none of them: somebody has put the prefix together by hand. One of
        another user, as after `sudo`, stays and is not named.

        Args:
            newer: Also those that were made after the one in use; a rollback leaves them.
        """
        active = self.required()
        ours = filter(_is_ours, self.envs.iterdir())
        held = {one for one in ours if one.is_dir()} if active.parent == self.envs else set()
        gone = sorted(held - {active})
        if not newer:
            gone = [one for one in gone if _number(one) < _number(active)]
        if gone:
            with contextlib.suppress(NoPreviousError):
                gone.remove(self.previous())
        removed = []
        for folder in (self.work, *gone):
            with contextlib.suppress(PermissionError):
                trash.throw_away(folder, self.root)
                removed += [folder.name] if folder in gone else []
                (self.envs / f"{folder.name}{_REPORT}").unlink(missing_ok=True)
        if held:
            for kind, told_in in _SHARED.items():
                self._drop_unnamed(kind, told_in)
        return removed

    def _drop_unnamed(self, kind: str, told_in: str) -> None:
        """Throw away what stands below the prefix for environments, and none that is left names any more."""
        files = [env / told_in for env in self.envs.iterdir() if env.is_dir()]
        try:
            told = "\n".join(file.read_text(errors="replace") for file in files if file.exists())
        except OSError:
            return
        for folder in (self.root / kind).glob("*"):
            if folder.name not in told:
                with contextlib.suppress(PermissionError):
                    trash.throw_away(folder, self.root)

    def installed(self) -> list[Path]:
        """Return what `uninstall` would remove, each environment by itself."""
        envs = sorted(self.envs.iterdir()) if self.envs.is_dir() else []
        others = (self.root / name for name in _OWN if name != self.envs.name)
        return [*envs, *(path for path in others if os.path.lexists(path))]

    def uninstall(self) -> None:
        """Remove all that installs put below the prefix, and the prefix if it is empty.

        The marker goes before the lock: who has the lock next makes it anew.

        Raises:
            TrashStaysError: Not all of it can be removed; the prefix stays marked as one of this tool.
        """
        if self.envs.is_symlink() or self.envs.is_mount():  # on another disk, which may hold more
            for one in filter(_is_ours, [*self.envs.iterdir()]):
                trash.throw_away(one, self.root)
                (self.envs / f"{one.name}{_REPORT}").unlink(missing_ok=True)
        for name in _OWN:
            path = self.root / name
            if path.is_symlink() or path.is_file():
                path.unlink()
            elif path.is_dir() and not path.is_mount():
                trash.throw_away(path, self.root)
        trash.empty(self.root, wait=True)
        trash.require_none(self.root)
        for name in (MARKER, ".lock"):
            (self.root / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.root.rmdir()


def _number(env: Path) -> int:
    """Return the number that names an environment; 0 for another name, and none is made under that."""
    return int(env.name) if _is_ours(env) else 0


def _is_ours(env: Path) -> bool:
    return env.name.isascii() and env.name.isdigit()


def _stands_at(path: Path, handle: IO[str]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle.fileno()))
    except FileNotFoundError:
        return False
