"""The task of a host that builds for others."""

from __future__ import annotations

from invoke.context import Context

from ascend_wheelhouse import console
from ascend_wheelhouse.commands.tasks.farm_words import TLS_HELP, FarmWords
from ascend_wheelhouse.commands.tasks.flags import task
from ascend_wheelhouse.commands.tasks.words import JSON


@task(
    help=JSON
    | TLS_HELP
    | {
        "scheduler": "the Dask scheduler to join, such as tls://farm:8786",
        "name": "what this worker is called; the host's name when not given",
        "builds": "how many builds run side by side; 1 when not given",
        "cores": "how many cores they may use; all when not given",
        "memory": "how much memory they may use, in MiB; what is free when not given",
        "label": "a further label, name=value (may be repeated)",
        "show": "print this host's labels and stop",
    },
    iterable=["label"],
    positional=[],
)
def worker(
    c: Context,  # noqa: ARG001 - Invoke's
    scheduler: str = "",
    name: str = "",
    builds: str = "",
    cores: str = "",
    memory: str = "",
    label: list[str] | None = None,
    tls_ca: str = "",
    tls_cert: str = "",
    tls_key: str = "",
    show: bool = False,
    json: bool = False,
) -> None:
    """Build for a farm on this host, until stopped."""
    with console.main_guard(json=json):
        from ascend_wheelhouse.commands import worker as command

        words = FarmWords(scheduler=scheduler, tls_ca=tls_ca, tls_cert=tls_cert, tls_key=tls_key)
        command.main(
            command.WorkerOptions(
                farm=words.choice(),
                name=name,
                builds=command.number("--builds", builds, 1),
                cores=command.number("--cores", cores, 0),
                memory_mb=command.number("--memory", memory, 0),
                label=tuple(label or ()),
                show=show,
                json=json,
            )
        )
