"""For `dask worker --preload ascend_wheelhouse.farm.preload`: a worker of Dask's own becomes one that builds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ascend_wheelhouse.farm.labels import host_labels
from ascend_wheelhouse.farm.plugin import BuildPlugin

if TYPE_CHECKING:
    from distributed import Worker


async def dask_setup(worker: Worker | Any) -> None:  # noqa: ANN401 - a nanny or a scheduler, too
    """Give a worker its labels and what builds need. A nanny is left as it is: its worker loads this itself."""
    from distributed import Worker as DaskWorker

    if not isinstance(worker, DaskWorker):
        return
    labels = await asyncio.to_thread(host_labels)
    await worker.plugin_add(BuildPlugin(labels), catch_errors=False)
    # The worker has not joined yet, and tells its resources when it does; `set_resources` would tell them too early.
    worker.state.total_resources.update(labels.as_resources())
    worker.state.available_resources.update(labels.as_resources())
