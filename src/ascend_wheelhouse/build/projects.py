"""From a locked source to its wheel in the store: only what the lock names by digest goes into the build."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.errors import BuildError
from ascend_wheelhouse.base.events import Emit, JobFinished, JobStarted
from ascend_wheelhouse.base.scratch import scratch
from ascend_wheelhouse.build.project import ProjectRules, ProjectSource
from ascend_wheelhouse.build.worker import build_beside
from ascend_wheelhouse.cells.project import edition_for
from ascend_wheelhouse.cells.recipe import ProjectBuild, Recipe
from ascend_wheelhouse.locks.lock import LockedSource
from ascend_wheelhouse.locks.pylock import LockedFile
from ascend_wheelhouse.store.store import Store, file_sha256
from ascend_wheelhouse.store.store_faults import BlobMissingError, DamagedBlobError
from ascend_wheelhouse.wheels.wheel import WheelFile


class NotAProjectError(BuildError):
    """A component has no `[project]` table, so its sdist says nothing of how to build it."""


def build_source(source: LockedSource, recipe: Recipe, *, store: Store, emit: Emit) -> LockedFile:
    """Return the wheel of a source, built, normalised and in the store.

    Args:
        source: What the lock says of it; its archive and build environment must be in the store.
        recipe: The component's recipe.
        store: Where they are, and where the wheel goes.
        emit: Told when the build starts and ends.

    Raises:
        BlobMissingError: Something is not in the store.
        DamagedBlobError: Something in the store is not what the lock names.
        BuildError: The build failed.
    """
    if recipe.project is None or source.archive is None:
        lacking = (
            "its lock names no source archive" if recipe.project else "its recipe has no [project] table"
        )
        raise NotAProjectError(
            f"{recipe.name} {source.version} cannot be built: {lacking}.",
            why="A [project] table builds from an sdist.",
            next_step=f"hand the wheel over: `invoke vendor FILE --component {recipe.name}`",
        )
    emit(JobStarted(job=recipe.name, action="build"))
    try:
        with scratch() as work:
            locked = ProjectSource(
                name=recipe.distribution,
                version=source.version,
                sdist=_placed(store, source.archive, work),
                requirements=[
                    _placed(store, file.artifact, work / "environment") for file in source.environment
                ],
            )
            out = work / "out"
            out.mkdir()
            rules = rules_for(recipe.project, source.version)
            wheel = build_beside(rules, locked, out=out, python=Path(sys.executable))
            built = _kept(wheel, source, recipe, store)
    except BaseException as error:
        emit(JobFinished(job=recipe.name, outcome="failed", detail=str(error).partition("\n")[0]))
        raise
    emit(JobFinished(job=recipe.name, outcome="done", detail=built.filename))
    return built


def rules_for(project: ProjectBuild, version: str) -> ProjectRules:
    """Return how a release's project becomes the NPU's."""
    return ProjectRules(
        local_version=project.local_version,
        subdirectory=project.subdirectory,
        project_files=project.project_files,
        edition=edition_for(project, version),
    )


def _placed(store: Store, artifact: Artifact, folder: Path) -> Path:
    """Copy a blob under its own name, and check on the way that it is the one that the lock names."""
    sha256 = artifact.sha256
    if not store.has(sha256):
        raise BlobMissingError(
            f"{artifact.filename} is not in the store.",
            next_step="run the same command again without --offline",
        )
    folder.mkdir(exist_ok=True)
    path = folder / artifact.filename
    shutil.copyfile(store.path(sha256), path)
    if (found := file_sha256(path)) != sha256:
        store.path(sha256).unlink(missing_ok=True)
        raise DamagedBlobError(sha256, path, found)
    return path


def _kept(path: Path, source: LockedSource, recipe: Recipe, store: Store) -> LockedFile:
    with WheelFile.open(path):
        artifact = store.artifact(path.name, store.add(path))
    return LockedFile.of(artifact, component=recipe.name, origin=source.origin)
