"""`invoke init`: makes a project folder, in which recipes and locks of one's own lie over the packaged ones."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse import __version__, console
from ascend_wheelhouse.base import settings
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.base.whole_file import write_whole

_TEMPLATES = Path(__file__).parent / "new_project"
_FILES = {
    ".gitignore": "gitignore.txt",
    "README.md": "README.txt",
    settings.NAME: "ascend-wheelhouse.toml",
    "lockfiles/README.md": "lockfiles.txt",
    "noxfile.py": "noxfile.py.txt",
    "recipes/README.md": "recipes.txt",
    "tasks.py": "tasks.py.txt",
}
"""What a new project consists of, and the file of this package that it is copied from."""


class FolderTakenError(UsageError):
    """Something stands in the folder that a new project would overwrite."""


@dataclass(frozen=True, kw_only=True)
class InitOptions:
    """What `invoke init` was asked for.

    Args:
        folder: The project folder, made where it is missing.
        json: Print one JSON document.
    """

    folder: Path
    json: bool = False


def main(options: InitOptions) -> None:
    """Write a project folder, or refuse and write nothing."""
    folder = options.folder
    texts = files(folder.absolute().name)
    _require_free(folder, texts)
    _write(folder, texts)
    if options.json:
        console.print_json({"folder": str(folder.absolute()), "files": sorted(texts)})
        return
    for name in sorted(texts):
        console.line(str(folder / name))
    there = "" if folder.absolute() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    console.line(f"Next: {there}invoke plan --torch 2.8.0 --platform aarch64")


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write all of it; what was written before something failed is removed, so that the same command goes again."""
    made: list[Path] = []
    try:
        for name, text in texts.items():
            path = folder / name
            missing = [one for one in path.parents if not one.exists()]
            path.parent.mkdir(parents=True, exist_ok=True)
            made += [*reversed(missing), path]
            write_whole(path, text)
    except BaseException:
        for path in reversed(made):
            with suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        raise


def files(name: str) -> dict[str, str]:
    """Return what a new project of a name consists of, by path."""
    facts = {"{name}": name, "{version}": __version__}
    texts = {path: (_TEMPLATES / source).read_text("utf-8") for path, source in _FILES.items()}
    for placeholder, fact in facts.items():
        texts = {path: text.replace(placeholder, fact) for path, text in texts.items()}
    return texts


def _require_free(folder: Path, names: dict[str, str]) -> None:
    tops = sorted({*(name.partition("/")[0] for name in names), "wheelhouse"})
    taken = [name for name in tops if os.path.lexists(folder / name)]
    if taken or (os.path.lexists(folder) and not folder.is_dir()):
        what = f"{folder} holds {', '.join(taken)} already." if taken else f"{folder} is no folder."
        raise FolderTakenError(
            what,
            why="A new project overwrites nothing.",
            next_step="invoke init FOLDER, with the name of a new folder",
        )
