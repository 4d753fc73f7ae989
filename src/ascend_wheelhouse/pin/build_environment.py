"""The wheels of a build environment, resolved and brought into the store while there is a network."""

from __future__ import annotations

from collections.abc import Sequence

from ascend_wheelhouse.base.artifact import Artifact
from ascend_wheelhouse.base.events import Emit
from ascend_wheelhouse.cells.target import Target
from ascend_wheelhouse.fetch.fetch import fetch_all
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder, IndexPin
from ascend_wheelhouse.resolve.request import Resolver, ResolveRequest
from ascend_wheelhouse.store.store import Store


def lock_environment(
    requirements: Sequence[str],
    target: Target,
    *,
    resolver: Resolver,
    store: Store,
    emit: Emit,
    http: Http,
    constraints: Sequence[str] = (),
) -> tuple[Artifact, ...]:
    """Resolve build requirements and have every wheel in the store.

    Args:
        requirements: PEP 508 requirements, from the recipe and `build-system.requires`.
        target: The machine of the wheel, which is the builder's too unless the wheel is pure Python.
        resolver: What turns them into pins.
        store: Where the wheels go.
        emit: Told of the progress.
        http: The HTTP client for the indexes.
        constraints: The runtime lock's pins, so that torch is the very wheel that will be installed.
    """
    request = ResolveRequest(requirements=tuple(requirements), constraints=tuple(constraints), target=target)
    pins = [IndexPin(name=pin.name, version=pin.version) for pin in resolver.resolve(request).pins]
    finder = Finder(http)
    found = finder.find_all(pins, target, emit)
    downloads = [Download.of(file.artifact, name=file.name, urls=(file.url,)) for file in found]
    fetched = fetch_all(
        downloads,
        store,
        emit,
        http=http,
        locate=lambda one: finder.where(one.name, one.filename, one.sha256 or ""),
    )
    return tuple(sorted((one.artifact for one in fetched), key=lambda file: file.filename))
