"""Every origin URL can be redirected by prefix, to a mirror or a folder, without touching recipes or locks.

`WHEELHOUSE_MIRRORS` is a TOML file's path or `FROM=TO` pairs separated by blanks; without it `mirrors.toml`
of the user's configuration folder and then of the project folder is read. The file has one table:

    [mirrors]
    "https://github.com/" = "https://mirror.example/github/"
    "https://files.example/cann/" = "file:///srv/cann/"

The longest prefix that fits wins. Hashes in locks hold for mirrors too.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ascend_wheelhouse.base import settings, toml_text
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.places import at_home
from ascend_wheelhouse.node import documents

VARIABLE = "WHEELHOUSE_MIRRORS"
_URL = re.compile(r"[a-z][a-z0-9+.-]*://.*", re.IGNORECASE)
_PAIR = re.compile(r"(?P<source>.+?)=(?P<target>[a-z][a-z0-9+.-]*://.*)", re.IGNORECASE)


class MirrorsError(UsageError):
    """The mirrors cannot be read; the text lists every line at fault."""


@dataclass(frozen=True, kw_only=True)
class Mirrors:
    """Prefixes of URLs and what stands in their place."""

    prefixes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None, *, folder: Path | None = None) -> Mirrors:
        """Read the mirrors of the environment, else of the user and of `folder` (the project's when None).

        Raises:
            MirrorsError: A file cannot be read, or an entry is not a pair of URLs.
        """
        chosen = (os.environ if environ is None else environ).get(VARIABLE, "").strip()
        if _PAIR.fullmatch(chosen):
            return cls(prefixes=_checked(VARIABLE, dict(map(_split, chosen.split()))))
        if _URL.match(chosen):
            raise MirrorsError(
                f"{VARIABLE}: {chosen} says FROM, and =TO is missing.",
                why="The variable holds pairs FROM=TO, separated by blanks, or the path of a TOML file.",
                next_step=f"{VARIABLE}='https://from/=https://to/' (or file:///to/)",
            )
        if chosen:
            return cls(prefixes=_from_file(at_home(chosen)))
        prefixes: dict[str, str] = {}
        for place, path in _default_files(folder or settings.project_folder()):
            if os.path.lexists(path):
                prefixes |= _from_file(path, named=False)
            prefixes |= settings.current().mirrors(place)
        return cls(prefixes=prefixes)

    def redirect(self, url: str) -> str:
        """Return the URL to ask instead of `url`; the same where no prefix fits."""
        fitting = max((prefix for prefix in self.prefixes if url.startswith(prefix)), key=len, default=None)
        return url if fitting is None else self.prefixes[fitting] + url[len(fitting) :]


def _default_files(folder: Path) -> Iterator[tuple[str, Path]]:
    yield "user", settings.user_folder() / "mirrors.toml"
    yield "project", folder / "mirrors.toml"


def _split(pair: str) -> tuple[str, str]:
    match = _PAIR.fullmatch(pair)
    return (match["source"], match["target"]) if match else (pair, "")


def _from_file(path: Path, *, named: bool = True) -> dict[str, str]:
    other = f"unset {VARIABLE}" if named else "move it away"
    try:
        table = toml_text.parse(documents.bytes_of(path)).get("mirrors")
    except OSError as error:
        raise MirrorsError(
            f"The mirrors file {path} cannot be read: {error.strerror or error}.",
            why="It or a folder above it is closed to this user, or no file lies there.",
            next_step=f"`ls -ld {shlex.quote(str(path))}` shows what lies there; open it to this user, or {other}",
        ) from error
    except ValueError as error:
        raise MirrorsError(f"{path}: {error}", next_step=f"correct {path} or {other}") from error
    if not isinstance(table, dict):
        raise MirrorsError(
            f"{path}: mirrors: the table is missing.", next_step='start the file with "[mirrors]"'
        )
    return _checked(str(path), table)


def _checked(where: str, pairs: Mapping[str, object]) -> dict[str, str]:
    good = {
        source: target
        for source, target in pairs.items()
        if isinstance(target, str) and settings.is_mirror(source, target)
    }
    bad = [f"{where}: mirrors.{source}: {settings.MIRROR_RULE}" for source in pairs if source not in good]
    if bad:
        raise MirrorsError(
            "\n".join(bad), next_step='write "https://from/" = "https://to/" (or "file:///to/")'
        )
    return good
