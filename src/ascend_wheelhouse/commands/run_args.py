"""`invoke run-args`: how a container is started on a node."""

from __future__ import annotations

from dataclasses import dataclass

from ascend_wheelhouse import console
from ascend_wheelhouse.cells.target import Npu
from ascend_wheelhouse.image import run_args


@dataclass(frozen=True, kw_only=True)
class RunArgsOptions:
    """What `invoke run-args` was asked for.

    Args:
        npu: The node's chip.
        image: The image's name.
        model: Folder with the model's weights on the node, or empty.
        command: What runs in the container; the image's own command when empty.
        kubernetes: A Pod instead of a docker run command.
        json: Print one JSON document.
    """

    npu: Npu
    image: str
    model: str = ""
    command: tuple[str, ...] = ()
    kubernetes: bool = False
    json: bool = False


def main(options: RunArgsOptions) -> None:
    """Print how a container is started on a node."""
    if options.kubernetes:
        pod = run_args.kubernetes_pod(options.npu, options.image, options.command, options.model)
        if options.json:
            console.print_json(pod)
        else:
            console.line(run_args.to_yaml(pod).rstrip())
        return
    line = run_args.docker_args(options.npu, options.image, options.command, options.model)
    if options.json:
        console.print_json(line)
    else:
        console.line(run_args.docker_line(line))
