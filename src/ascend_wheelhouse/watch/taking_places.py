"""New locks, and the stack that names them, take the places of the old ones: all together, or none of them does.

A run takes minutes. Where somebody else has changed one of these files meanwhile, a second run or an editor, nothing is
written: what they wrote would be lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ascend_wheelhouse.base import whole_file
from ascend_wheelhouse.base.errors import UsageError, file_trouble
from ascend_wheelhouse.base.output_file import require_folder

_SET = "locks"


class ChangedMeanwhileError(UsageError):
    """A stack or a lock was changed while the new lock was made."""


@dataclass(frozen=True, kw_only=True)
class LockPlace:
    """Where one lock stands.

    Args:
        folder: The folder's name in `lockfiles/`.
        platform: The machine.
    """

    folder: str
    platform: str

    def files(self, root: Path) -> dict[str, bytes]:
        """Return the files of this lock that are there, by name."""
        folder = root / "lockfiles" / self.folder
        paths = folder.iterdir() if folder.is_dir() else ()
        return {
            path.name: path.read_bytes()
            for path in paths
            if f".{self.platform}." in path.name[1:] and path.is_file()
        }


@dataclass(frozen=True, kw_only=True)
class LocksBefore:
    """Locks and their stack, as they were when the new ones were begun.

    Args:
        root: The project folder.
        locks: The locks.
        stack: The stack that changes with them, empty where none does.
        content: What their files were, those of the stack last.
    """

    root: Path
    locks: Sequence[LockPlace]
    stack: str
    content: Sequence[Mapping[str, bytes]]

    @classmethod
    def now(cls, root: Path, locks: Sequence[LockPlace], stack: str) -> LocksBefore:
        """Read what is there."""
        content = [one.files(root) for one in locks]
        path = _stack_file(root, stack)
        return cls(
            root=root,
            locks=locks,
            stack=stack,
            content=[*content, {path.name: path.read_bytes()} if path.is_file() else {}],
        )

    def require_places(self) -> None:
        """Hold the folders that new files take their places in to ones that can be written.

        Raises:
            OutputFolderError: One cannot.
        """
        below = [f"lockfiles/{one.folder}" for one in self.locks]
        for folder in ("", "lockfiles", *below, *(["recipes/stacks"] if self.stack else [])):
            require_folder(
                self.root / folder,
                why="A new lock, and the stack that it is of, are put there. None was made yet.",
                next_step="have its owner let you write there, or run it in a project folder of your own: "
                "`ascend-wheelhouse init --folder FOLDER` makes one",
            )

    def replace_from(self, copy: Path, made: Sequence[LockPlace]) -> None:
        """Put new files in their places, all of them: what a killed run left, the next reader of the folder finishes.

        Args:
            copy: The project folder in which they were made.
            made: Where the new locks stand, here and there.

        Raises:
            ChangedMeanwhileError: A file of the old ones is not what it was.
            FileTroubleError: The system refused a file; every file is as it was.
        """
        with whole_file.writing(self.root, whole_file.inside(self.root)):
            if LocksBefore.now(self.root, self.locks, self.stack) != self:
                raise ChangedMeanwhileError(
                    "A file in `lockfiles/` or `recipes/stacks/` was changed while the new lock was made from it.",
                    why="Another run wrote there, or somebody edited it. What is there now is kept.",
                    next_step="the same command again, once the other run has ended",
                )
            before = LocksBefore.now(self.root, made, self.stack)
            try:
                _write(self.root, LocksBefore.now(copy, made, self.stack))
            except BaseException as error:
                whole_file.drop_set(self.root, _SET)
                _write(self.root, before)
                if isinstance(error, OSError):
                    raise file_trouble(error) from error
                raise


def _stack_file(root: Path, stack: str) -> Path:
    return root / "recipes/stacks" / f"{stack}.toml"


def _write(root: Path, wanted: LocksBefore) -> None:
    """Make the files of some locks, and of their stack, what they are in another folder; what is right is left.

    Nothing takes its place before all of it is on the disk, and a kill leaves all of it or nothing.
    """
    now = LocksBefore.now(root, wanted.locks, wanted.stack)
    folders = [*(f"lockfiles/{one.folder}" for one in wanted.locks), "recipes/stacks"]
    rows = list(zip(folders, wanted.content, now.content, strict=True))
    files = {
        f"{folder}/{name}": data
        for folder, content, there in rows
        if content != there
        for name, data in content.items()
    }
    if files:
        whole_file.put_set(root, _SET, files)
    for folder, content, there in rows:
        for name in there.keys() - content.keys():
            (root / folder / name).unlink()
        if not content and (root / folder).is_dir() and not any((root / folder).iterdir()):
            (root / folder).rmdir()
