"""Single files of a pinned source, read from the store without laying the source out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ascend_wheelhouse.base.scratch import scratch
from ascend_wheelhouse.build.job import Archive
from ascend_wheelhouse.pin.archive_facts import members
from ascend_wheelhouse.store.git_source import GitFailedError, GitSource, git, unbundle
from ascend_wheelhouse.store.store import Store


def project_files(
    tree: GitSource | Archive, store: Store, subdirectory: str, names: Sequence[str]
) -> dict[str, bytes]:
    """Return the bytes of each named file of a project that its source holds.

    Args:
        tree: The source, in the store.
        store: The store.
        subdirectory: Where the project lies in its source; an sdist may hold that folder alone.
        names: File names.

    Raises:
        BadProjectFileError: The archive cannot be read, or such a file is longer than 4 MiB.
    """
    below = [str(PurePosixPath(subdirectory, name)) for name in names]
    texts = _texts(tree, store, [*below, *names])
    found = {name: texts[path] for name, path in zip(names, below, strict=True) if path in texts}
    return found or {name: texts[name] for name in names if name in texts}


def _texts(tree: GitSource | Archive, store: Store, paths: Sequence[str]) -> dict[str, bytes]:
    return _git_texts(tree, store, paths) if isinstance(tree, GitSource) else members(tree, store, paths)


def _git_texts(tree: GitSource, store: Store, paths: Sequence[str]) -> dict[str, bytes]:
    texts = {}
    with scratch() as folder:
        place = unbundle(store, tree.top.commit, Path(folder, "top"))
        for path in paths:
            try:
                texts[path] = git("show", f"{tree.top.commit}:{path}", at=place).encode()
            except GitFailedError:
                continue
    return texts
