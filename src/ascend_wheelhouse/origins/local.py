"""Files that a person imports: into the store like any download, checked the same way."""

from __future__ import annotations

from pathlib import Path

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.origins.faults import HashMismatchError
from ascend_wheelhouse.store.store import Store
from ascend_wheelhouse.wheels.wheel_names import check_wheel_names


class NoSuchFileError(UsageError):
    """The file to import does not exist or is not a file."""


def hand_over(path: Path, store: Store, *, sha256: str | None = None) -> Artifact:
    """Copy a file into the store, and return it as what it is there.

    Args:
        path: The file; it stays where it is.
        store: Where to.
        sha256: The digest that it must have, None where nothing promises one.

    Raises:
        NoSuchFileError: There is no such file.
        HashMismatchError: It has another digest.
        IntegrityError: It is a wheel that cannot be read or contradicts its name.
    """
    if not path.is_file():
        raise NoSuchFileError(
            f"{path} is not a file.", next_step="give the path of a wheel, a .run file or an archive"
        )
    check_wheel_names(path, path.name)
    with store.incoming() as copy:
        found = store.copy_in(path, copy)
        if sha256 not in {None, found}:
            raise HashMismatchError(
                path.name, expected=str(sha256), found=found, url=path.absolute().as_uri()
            )
        store.adopt(copy, found)
    return store.artifact(path.name, found)
