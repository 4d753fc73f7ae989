"""`invoke image`, `invoke run-args` and `invoke keygen`."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.errors import UsageError
from ascend_wheelhouse.image import append, context, run_args
from ascend_wheelhouse.signing import generate_key
from ascend_wheelhouse.target import Target


class OutMissingError(UsageError):
    """Nobody said where the image, or its build context, goes."""


def _place(out: str, source: Path) -> Path:
    if not out:
        raise OutMissingError(
            "No --out was given.",
            why="The folder is filled afresh, so that none is taken that was not named.",
            next_step=f"invoke image {shlex.quote(str(source))} --out FOLDER",
        )
    return Path(out)


def write_context(source: Path, *, out: str, base: str, trusted_key: str, prefix: str, json: bool) -> None:
    """Write a build context."""
    with console.main_guard(json=json):
        made = context.write_context(
            source,
            _place(out, source),
            trusted_key=trusted_key or None,
            base=base or None,
            prefix=prefix or context.PREFIX,
        )
        if json:
            console.print_json({**asdict(made), "folder": str(made.folder)})
            return
        console.line(f"{made.folder}/Containerfile builds on {made.base}")
        console.line(f"\nNext: {made.build}")


def append_environment(
    environment: Path, *, base: str, out: str, inside: str, platform: str, json: bool
) -> None:
    """Append an installed environment to a base image layout."""
    with console.main_guard(json=json):
        folder = _place(out, environment)
        made = append.append_environment(
            environment,
            Path(base),
            folder,
            inside=inside or str(environment.absolute()),
            machine=Target.named(platform).machine,
            labels={"org.opencontainers.image.title": "sglang-npu"},
        )
        if json:
            console.print_json(asdict(made))
        else:
            console.line(f"{folder} holds the image {made.manifest}")
            if made.interpreter:
                console.line(f"note: the base image must have its Python at {made.interpreter}")
            console.line(f"\nNext: skopeo copy oci:{folder} docker://REGISTRY/sglang-npu:TAG")


def show_run_args(npu: str, *, image: str, model: str, command: str, kubernetes: bool, json: bool) -> None:
    """Print how a container is started on a node."""
    with console.main_guard(json=json):
        words = shlex.split(command)
        chip = Target.named("aarch64", npu).npu
        if kubernetes:
            pod = run_args.kubernetes_pod(chip, image, words, model)
            if json:
                console.print_json(pod)
            else:
                console.line(run_args.to_yaml(pod).rstrip())
            return
        line = run_args.docker_args(chip, image, words, model)
        if json:
            console.print_json(line)
        else:
            console.line(run_args.docker_line(line))


def keygen(path: Path, *, json: bool) -> None:
    """Make the key that signs bundles."""
    with console.main_guard(json=json):
        signer = generate_key(path)
        if json:
            console.print_json({"key": str(path), "fingerprint": signer.fingerprint})
            return
        console.line(f"{path} signs, and stays on this host; {path}.pub is for the nodes")
        console.line(f"fingerprint {signer.fingerprint}")
        console.line(f"\nNext: invoke bundle --sign-key {path}")
