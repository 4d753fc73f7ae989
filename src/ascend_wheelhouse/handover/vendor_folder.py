"""Every file of a folder that a person carried here, each for itself: one that is refused keeps no other out."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ascend_wheelhouse.base.errors import UsageError, WheelhouseError, file_trouble, gravest
from ascend_wheelhouse.handover.vendor_source import is_source
from ascend_wheelhouse.node import layout
from ascend_wheelhouse.store.vendored import VendoredRecord

_TAKEN = (".whl", ".run", ".zip", ".tar.gz", ".tgz", ".tar", ".bundle")


class OneFileOnlyError(UsageError):
    """Something was said of a folder of files that can be true of one file alone."""


class InsideWheelhouseError(UsageError):
    """A folder of a wheelhouse was named, and not the wheelhouse."""


class GitSourceApartError(UsageError):
    """A source in git lies among the files of a folder."""


@dataclass(frozen=True, kw_only=True)
class TakenFolder:
    """What became of the files of a folder.

    Args:
        records: What was imported.
        failed: The files that were not, and why.
        passed: Names of files that are of no kind that is imported.
    """

    records: Sequence[VendoredRecord]
    failed: Sequence[tuple[str, WheelhouseError]]
    passed: Sequence[str]

    @property
    def exit_code(self) -> int:
        """The gravest of what failed, 0 where nothing did."""
        return gravest(error.exit_code for _, error in self.failed)

    def as_dict(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "imported": [record.as_dict() for record in self.records],
            "failed": [{"file": name, **error.as_dict()} for name, error in self.failed],
            "passed_over": list(self.passed),
        }


def files_in(folder: Path) -> list[Path]:
    """Return the files of a folder that can be imported; none where it is a wheelhouse."""
    if not folder.is_dir() or (folder / layout.MANIFEST).exists():
        return []
    return sorted(path for path in folder.iterdir() if path.is_file() and _is_taken(path.name))


def _is_taken(name: str) -> bool:
    return name.endswith(_TAKEN) and not name.startswith(".")


def take_folder(
    folder: Path, take: Callable[[Path], Sequence[VendoredRecord]], said_of_one: Sequence[str]
) -> TakenFolder:
    """Import every file of a folder; one that is refused keeps no other out.

    Args:
        folder: The folder; folders in it are not looked into.
        take: Imports one file.
        said_of_one: The options that were given and speak of one file.

    Raises:
        OneFileOnlyError: There are such options.
        InsideWheelhouseError: It is the folder of a wheelhouse's wheels.
    """
    if said_of_one:
        raise OneFileOnlyError(
            f"{folder} is a folder of files, and {' and '.join(said_of_one)} can be true of one alone.",
            next_step=f"invoke vendor {shlex.quote(str(folder))}, or the same command for one file of it",
        )
    if (folder.absolute().parent / layout.MANIFEST).exists():
        whole = shlex.quote(str(folder.absolute().parent))
        raise InsideWheelhouseError(
            f"{folder} is a part of a wheelhouse.",
            why="Its files are known by the wheelhouse's own lock, which is imported with them.",
            next_step=f"invoke vendor {whole}",
        )
    records: list[VendoredRecord] = []
    failed: list[tuple[str, WheelhouseError]] = []
    for path in files_in(folder):
        try:
            records += _taken(path, take)
        except WheelhouseError as error:
            failed.append((path.name, error))
        except OSError as error:  # a file of another user
            failed.append((path.name, file_trouble(error)))
    others = (path.name for path in folder.iterdir() if path.is_file() and not _is_taken(path.name))
    passed = sorted(name for name in others if not name.startswith("."))
    return TakenFolder(records=records, failed=failed, passed=passed)


def _taken(path: Path, take: Callable[[Path], Sequence[VendoredRecord]]) -> Sequence[VendoredRecord]:
    if is_source(path):
        raise GitSourceApartError(
            f"{path.name} holds a source in git, which is imported by itself.",
            next_step=f"invoke vendor {shlex.quote(str(path))}",
        )
    return take(path)
