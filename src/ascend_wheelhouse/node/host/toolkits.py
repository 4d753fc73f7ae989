"""Which CANN toolkits stand in an Ascend folder, and which of them a wheelhouse's cell names.

Up to 8.3 a toolkit stands in `ascend-toolkit/VERSION` (`latest` points at one) and `ascend-toolkit/set_env.sh` sets its
variables; from 8.5 on it stands in `cann-VERSION` (`cann` points at one) and has its `set_env.sh` inside, while
`ascend-toolkit` stays as another path to it. Source: Ascend/cann-container-image,
cann/8.3.rc2-a3-ubuntu22.04-py3.11/Dockerfile@b1aaad7 and cann/8.5.0-a3-ubuntu22.04-py3.11/Dockerfile@5a68fc2.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import HostUnfitError
from ..seen import is_file, is_folder, matching

USUAL = "/usr/local/Ascend"
_PRIVATE = "~/Ascend"
_INFO = "*-linux/ascend_toolkit_install.info"


class SeveralToolkitsError(HostUnfitError):
    """More than one CANN stands there, and none is the one that the cell names."""


@dataclass(frozen=True, kw_only=True)
class Toolkit:
    """One installed toolkit.

    Args:
        version: As its own file tells it, else its folder's name; empty where neither does.
        home: Its folder.
        script: What sets its variables; it may be missing.
    """

    version: str
    home: Path
    script: Path


@dataclass(frozen=True, kw_only=True)
class AscendFolder:
    """A folder that holds CANN and NNAL, and the toolkits in it."""

    root: Path
    toolkits: tuple[Toolkit, ...]

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that stand there, each once, the older first."""
        return tuple(sorted({one.version for one in self.toolkits}, key=numbers))

    def chosen(self, wanted: str) -> Toolkit | None:
        """Return the toolkit of the version that a cell names, or the only one there is.

        Raises:
            SeveralToolkitsError: There are several and none is of that version.
        """
        same = [one for one in self.toolkits if wanted and numbers(one.version) == numbers(wanted)]
        if same or len(self.versions) <= 1:
            return next(iter(same or self.toolkits), None)
        last = shlex.quote(str(self.toolkits[-1].home))
        raise SeveralToolkitsError(
            f"CANN {' and '.join(self.versions)} stand in {self.root}; the wheelhouse is for {wanted or 'any'}.",
            why="Libraries of two versions in one process fail in ways that name neither.",
            next_step=f"name the folder of the one that is meant: --ascend {last}"
            f" (or ASCEND_ROOT={last} before activate)",
        )


def at_home(place: str) -> Path:
    """Return a path with its `~` replaced; that of an unknown user stays, and is then no folder."""
    return Path(os.path.expanduser(place))  # noqa: PTH111 - Path.expanduser raises


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, a release candidate below its final: 8.3.RC2 < 8.3.0 < 8.5.0."""
    text = re.sub(r"[.-]?RC", ".-1.", version, flags=re.IGNORECASE)
    return tuple(int(part) for part in re.findall(r"-?[0-9]{1,18}", text))


def find(root: Path) -> AscendFolder:
    """Return the toolkits in `root`, each once; a folder that is a toolkit itself is the only one."""
    if _is_toolkit(root):
        outer = root.parent.parent if root.parent.name == "ascend-toolkit" else root.parent
        return AscendFolder(root=outer, toolkits=(_toolkit(root, _inside(root, outer)),))
    found: dict[str, Toolkit] = {}
    for home, script in _settings(root):
        real = os.path.realpath(home)
        if real not in found and (is_file(script) or matching(home, _INFO)):
            found[real] = _toolkit(home, script)
    return AscendFolder(
        root=root, toolkits=tuple(sorted(found.values(), key=lambda one: numbers(one.version)))
    )


def _is_toolkit(folder: Path) -> bool:
    named = re.fullmatch(r"cann(-\d.*)?|latest|\d.*", folder.name) is not None
    return named and (is_file(folder / "set_env.sh") or bool(matching(folder, _INFO)))


def _settings(root: Path) -> Iterator[tuple[Path, Path]]:
    for home in (*matching(root, "cann-*"), root / "cann"):
        yield home, home / "set_env.sh"
    latest = root / "ascend-toolkit/latest"
    yield latest, root / "ascend-toolkit/set_env.sh"
    for home in matching(root, "ascend-toolkit/[0-9]*"):
        yield home, _inside(home, root)


def _inside(home: Path, root: Path) -> Path:
    """Return what sets the variables of the toolkit in `home` and of no other."""
    same = os.path.realpath(root / "ascend-toolkit/latest") == os.path.realpath(home)
    outer = [root / "ascend-toolkit/set_env.sh"] if same else []
    places = [home / "set_env.sh", *outer, home / "bin/setenv.bash"]
    return next((path for path in places if is_file(path)), places[0])


def _toolkit(home: Path, script: Path) -> Toolkit:
    return Toolkit(version=_version(home), home=home, script=script)


def _version(home: Path) -> str:
    for path in matching(home, _INFO):
        if found := re.search(r"^\s*version\s*[=:]\s*(\S+)", _text(path), re.MULTILINE):
            return found[1].strip("[]")
    named = re.fullmatch(r"(?:cann-)?(\d.*)", Path(os.path.realpath(home)).name)
    return named[1] if named else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def search(named: str = "", recorded: str = "", environment: Mapping[str, str] | None = None) -> AscendFolder:
    """Return where CANN stands on this machine.

    Args:
        named: The folder that a person named; then only that one is looked at.
        recorded: The folder that an install was told.
        environment: Variables: ASCEND_ROOT names a folder too, ASCEND_HOME_PATH tells of a toolkit that was sourced.
    """
    given = os.environ if environment is None else environment
    if asked := named or given.get("ASCEND_ROOT", ""):
        return find(Path(os.path.abspath(at_home(asked))))  # noqa: PTH100 - a link's own name stays
    sourced = given.get("ASCEND_HOME_PATH", "")
    roots = [Path(recorded)] if recorded else []
    if sourced and _is_toolkit(Path(sourced)):
        roots.append(find(Path(sourced)).root)
    roots += [Path(USUAL), at_home(_PRIVATE)]
    places = [find(root) for root in roots]
    return next((place for place in places if place.toolkits), _bare(places))


def _bare(places: list[AscendFolder]) -> AscendFolder:
    """Return the place that CANN is to come to: an ordinary user may have a folder of their own."""
    usual, private = places[-2:]
    ordinary = os.geteuid() != 0 and is_folder(private.root)
    return places[0] if len(places) > len((usual, private)) else private if ordinary else usual
