"""Folders laid over each other: the files of all of them, the first folder's in place of those of the same name.

A project's own `recipes/` and `lockfiles/` lie over those that an installed program brings along; a clone has one
folder of each. Standard library only: what every run pays for uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self


@dataclass(frozen=True)
class Layered:
    """Folders, the user's own first.

    Args:
        folders: At least one; none of them must be there.
    """

    folders: tuple[Path, ...]

    @classmethod
    def of(cls, folder: Path | Layered) -> Layered:
        """Return a single folder as the only layer."""
        return folder if isinstance(folder, Layered) else cls((folder,))

    @property
    def own(self) -> Path:
        """The folder that is written to."""
        return self.folders[0]

    def below(self, name: str) -> Self:
        """Return the folders of that name in all layers."""
        return type(self)(tuple(folder / name for folder in self.folders))

    def named(self, pattern: str) -> dict[str, Path]:
        """Return every file that fits a pattern, by its name below the folders, in the order of the names.

        Hidden ones are none of a project's: editors put links that lead nowhere beside what they have open (Emacs
        `.#NAME`), and other systems put bytes of their own there (macOS `._NAME`).
        """
        found = {
            path.relative_to(folder).as_posix(): path
            for folder in reversed(self.folders)
            for path in folder.glob(pattern)
        }
        shown = (name for name in found if not name.startswith(".") and "/." not in name)
        return {name: found[name] for name in sorted(shown, key=PurePosixPath)}

    def every(self, pattern: str) -> list[Path]:
        """Return what fits a pattern in any layer, the own layer's first."""
        return [path for folder in self.folders for path in sorted(folder.glob(pattern))]

    def file(self, name: str) -> Path:
        """Return the file of that name, of the first layer that has it; the own one where none has."""
        return next((folder / name for folder in self.folders if (folder / name).is_file()), self.own / name)

    def __str__(self) -> str:
        return " over ".join(map(str, self.folders))
