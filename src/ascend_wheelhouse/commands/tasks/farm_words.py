"""The options that name a farm, declared once for every task whose builds can go to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ascend_wheelhouse.commands.tasks.option_groups import OptionGroup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ascend_wheelhouse.farm.choice import FarmChoice

TLS_HELP = {
    "tls-ca": "the authority of the scheduler's certificate; Dask's configuration when not given",
    "tls-cert": "this host's certificate",
    "tls-key": "its key",
}


@dataclass(frozen=True, kw_only=True)
class FarmWords(OptionGroup):
    """What the command line says of a farm."""

    texts: ClassVar[Mapping[str, str]] = {
        "scheduler": "build on the workers of this Dask scheduler, such as tls://farm:8786",
        "workers": (
            "build on workers that this run starts: slurm, ssh or local (Dask's configuration has their settings)"
        ),
        "worker-hosts": "the hosts of --workers ssh, separated by commas",
        "worker-count": "how many workers slurm or local start; 1 when not given",
        **TLS_HELP,
    }

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
