"""`filelist.csv` of a CANN package: which of its files go where, followed without running its installer.

The columns and what they mean are those of CANN's open packaging scripts (cann/cmake, scripts/package/filelist.py and
scripts/install/install_common_parser.sh): `mkdir`, `copy`, `copy_entity` and `move` put a path of the package at a path
of the toolkit, `softlink` and `pkg_inner_softlink` name further paths to it, `del` is for uninstalling. Owners and
modes are left out: nothing here belongs to anybody else, and extraction keeps what is executable.
"""

from __future__ import annotations

import csv
import os
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from ascend_wheelhouse.base.full_disk import FULL
from ascend_wheelhouse.build.run_package import unsafe

_PLACES = ("*/script/filelist.csv", "share/info/*/script/filelist.csv", "share/info/*/filelist.csv")
_NONE = {"", "NA"}
_PUTS = {"copy", "copy_entity", "move"}
_EVERYONES = {"", "NA", "all", "comm"}


def put_package(package: Path, home: Path, filename: str) -> None:
    """Put the files of an unpacked package where they belong in a toolkit.

    Args:
        package: The unpacked package, on the toolkit's file system.
        home: The toolkit's folder.
        filename: The package, for messages.

    Raises:
        UnsafePackageError: Its list names a path outside of the toolkit, or a file that it does not hold.
    """
    try:
        lists = sorted(path for pattern in _PLACES for path in package.glob(pattern))
        if not lists:  # a package laid out as the toolkit is
            put(package, home, home)
        for path in lists:
            with path.open(encoding="utf-8", newline="") as stream:
                for row in csv.DictReader(stream):
                    _follow({key.strip(): value or "" for key, value in row.items() if key}, package, home)
    except (UnicodeError, csv.Error, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        raise unsafe(filename, f"its files cannot be put into one toolkit: {error}") from error


def _follow(row: Mapping[str, str], package: Path, home: Path) -> None:
    operation = row.get("operation", "")
    target = _inside(home, row.get("relative_install_path", "NA"))
    if target is None or operation not in _PUTS | {"mkdir"}:
        return
    if operation == "mkdir":
        _ready(target, home).mkdir(exist_ok=True)
    else:
        source = _inside(package, row.get("relative_path_in_pkg", "NA"))
        if source is None or not os.path.lexists(source):
            if _for_everyone(row):
                raise ValueError(f"{row.get('relative_path_in_pkg')} is on its list and not in it")
            return
        put(source, _ready(target, home), home)
    for column in ("softlink", "pkg_inner_softlink"):
        for name in row.get(column, "NA").split(";"):
            if link := _inside(home, name.strip()):
                _link(link, target, home)


def _for_everyone(row: Mapping[str, str]) -> bool:
    """Tell whether a row is for every chip and feature: others may name what this package leaves out."""
    return {row.get("chip", ""), row.get("feature", "")} <= _EVERYONES


def _inside(folder: Path, name: str) -> Path | None:
    """Return a path of a list, below the folder that it counts from."""
    if name in _NONE:
        return None
    path = PurePosixPath(posixpath.normpath(name))
    if path.is_absolute() or ".." in path.parts or path == PurePosixPath():
        raise ValueError(f"{name} leads out of the toolkit")
    return folder / path


def _ready(path: Path, home: Path) -> Path:
    """Return a path below the toolkit once its folder is there; nothing is written through a link that leads out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.parent.resolve().is_relative_to(home.resolve()):
        raise ValueError(f"{path.relative_to(home)} lies behind a link that leads out of the toolkit")
    return path


def _link(link: Path, target: Path, home: Path) -> None:
    place = _ready(link, home)
    if place.is_symlink():
        place.unlink()
    if not place.exists():
        place.symlink_to(os.path.relpath(target, place.parent.resolve()))


def put(source: Path, target: Path, home: Path) -> None:
    """Have a file, a link or a whole folder in a toolkit too, its files as further names for the same bytes.

    Raises:
        ValueError: A folder of it would be written through a link that leads out of the toolkit.
        OSError: A file stands where a folder is to be, or the other way round.
    """
    if source.is_symlink() or source.is_file():
        if os.path.lexists(target):
            target.unlink()
        if source.is_symlink():
            target.symlink_to(source.readlink())
        else:
            os.link(source, target)
        return
    target.mkdir(parents=True, exist_ok=True)
    _ready(target / "any", home)
    for child in sorted(source.iterdir()):
        put(child, target / child.name, home)


def links_out(top: Path) -> Iterator[Path]:
    """Yield every link below a folder that leads out of it."""
    real = top.resolve()
    for folder, folders, files in os.walk(top):
        for name in (*folders, *files):
            path = Path(folder, name)
            if path.is_symlink() and not path.resolve().is_relative_to(real):
                yield path
