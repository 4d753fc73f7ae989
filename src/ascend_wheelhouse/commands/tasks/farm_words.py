"""The options that name a farm, declared once for every task whose builds can go to one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Any, ClassVar

from ascend_wheelhouse.commands.tasks.cell import CellTask
from ascend_wheelhouse.commands.tasks.flags import FlagTask, task

if TYPE_CHECKING:
    from ascend_wheelhouse.farm.choice import FarmChoice

TLS_HELP = {
    "tls-ca": "the authority of the scheduler's certificate; Dask's configuration when not given",
    "tls-cert": "this host's certificate",
    "tls-key": "its key",
}
FARM_HELP = {
    "scheduler": "build on the workers of this Dask scheduler, such as tls://farm:8786",
    "workers": "build on workers that this run starts: slurm, ssh or local (Dask's configuration has their settings)",
    "worker-hosts": "the hosts of --workers ssh, separated by commas",
    "worker-count": "how many workers slurm or local start; 1 when not given",
    **TLS_HELP,
}
_FARM = "farm"


@dataclass(frozen=True, kw_only=True)
class FarmWords:
    """What the command line says of a farm, an option a field."""

    scheduler: str = ""
    workers: str = ""
    worker_hosts: str = ""
    worker_count: str = ""
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""

    def choice(self) -> FarmChoice:
        """Return the farm that the options name.

        Raises:
            FarmChoiceError: They do not fit together.
        """
        from ascend_wheelhouse.farm.choice import farm_choice

        return farm_choice(
            scheduler=self.scheduler,
            workers=self.workers,
            worker_hosts=self.worker_hosts,
            worker_count=self.worker_count,
            tls=(self.tls_ca, self.tls_cert, self.tls_key),
        )


NO_FARM = FarmWords()


class WithFarm(FlagTask):
    """A task whose body takes `farm`, and whose command line has the options of `FarmWords`.

    Args:
        body: The function.
        help: The texts for its other options.
        options: What any task takes.
    """

    common: ClassVar[Mapping[str, str]] = {**FlagTask.common, **FARM_HELP}

    def argspec(self, body: Callable[..., None]) -> Signature:
        """Return the options of the command line: the farm's stand last."""
        own = [one for one in super().argspec(body).parameters.values() if one.name != _FARM]
        words = signature(FarmWords).parameters.values()
        return Signature([*own, *(one.replace(kind=Parameter.POSITIONAL_OR_KEYWORD) for one in words)])

    def run_body(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - Invoke's
        """Put the farm among the other options."""
        names = [name.replace("-", "_") for name in FARM_HELP]
        words = FarmWords(**{name: options.pop(name) for name in names if name in options})
        super().run_body(*args, **options, **{_FARM: words})


class FarmTask(WithFarm, CellTask):
    """A task about one cell whose builds can go to a farm.

    Args:
        body: The function.
        help: The texts for its other options.
        options: What any task takes.
    """

    common: ClassVar[Mapping[str, str]] = {**CellTask.common, **FARM_HELP}


farm_task = functools.partial(task, klass=FarmTask)
"""`invoke.task` for a task about one cell whose builds can go to a farm."""
