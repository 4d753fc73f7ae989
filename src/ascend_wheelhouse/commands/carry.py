"""Doors that need no project folder: what is done with a finished wheelhouse, a bundle, or this very host."""

from __future__ import annotations

from pathlib import Path

from invoke.context import Context
from invoke.tasks import task


@task(
    help={
        "fix": "set what can be set, so that it survives a reboot",
        "emulation": "say instead what running the other machine's wheelhouse here takes",
        "json": "machine-readable output",
    }
)
def doctor(_c: Context, fix: bool = False, emulation: bool = False, json: bool = False) -> None:
    """Examine this host: devices, driver, CANN, system settings; what is found, wanted, and the command."""
    from ascend_wheelhouse.commands import doctor as command

    raise SystemExit(command.main(fix=fix, emulation=emulation, json=json))


@task(
    positional=["source"],
    help={
        "source": "a bundle, its parts, or a wheelhouse folder; with --append an installed environment",
        "out": "folder to write: the build context, or the image layout",
        "base": "base image instead of the cell's CANN image; with --append a folder with its image layout",
        "trusted-key": "who must have signed the bundle; without it an unsigned wheelhouse is taken",
        "prefix": "where the environment stands in the image",
        "append": "no engine: put an installed environment as a layer on the base image layout",
        "platform": "with --append: which image of the base, aarch64 or x86_64",
        "json": "machine-readable output",
    },
)
def image(
    _c: Context,
    source: str,
    out: str = "",
    base: str = "",
    trusted_key: str = "",
    prefix: str = "",
    append: bool = False,
    platform: str = "aarch64",
    json: bool = False,
) -> None:
    """Write the build context of an image on CANN's, or make the image without any engine."""
    from ascend_wheelhouse.commands import image as command

    if append:
        command.append_environment(
            Path(source), base=base, out=out, inside=prefix, platform=platform, json=json
        )
    else:
        command.write_context(
            Path(source), out=out, base=base, trusted_key=trusted_key, prefix=prefix, json=json
        )


@task(
    name="run-args",
    help={
        "npu": "a3 (16 devices) or 910b (8 devices)",
        "image": "the image's name",
        "model": "folder with the model's weights on the node",
        "command": "what runs in the container; the image's own command when not given",
        "kubernetes": "a Pod instead of a docker run command",
        "json": "machine-readable output",
    },
)
def run_args(
    _c: Context,
    npu: str = "a3",
    image: str = "sglang-npu",
    model: str = "",
    command: str = "",
    kubernetes: bool = False,
    json: bool = False,
) -> None:
    """Print how a container sees the NPUs: devices, volumes and privileges."""
    from ascend_wheelhouse.commands import image as door

    door.show_run_args(npu, image=image, model=model, command=command, kubernetes=kubernetes, json=json)


@task(positional=["path"], help={"path": "where the private key goes", "json": "machine-readable output"})
def keygen(_c: Context, path: str, json: bool = False) -> None:
    """Make an Ed25519 key that signs bundles; an existing one is never replaced."""
    from ascend_wheelhouse.commands import image as command

    command.keygen(Path(path), json=json)


@task(
    positional=["folder"],
    iterable=["more"],
    help={
        "folder": "where one or more report.json of verifications are, below it at any depth",
        "more": "another such folder; may be repeated",
        "out": "the page to write",
        "json": "machine-readable output",
    },
)
def verify_report(
    _c: Context, folder: str, more: list[str], out: str = "verify-report.html", json: bool = False
) -> None:
    """Put the verification reports of many nodes on one HTML page."""
    from ascend_wheelhouse.commands import verify as command

    command.report([Path(folder), *map(Path, more)], Path(out), json=json)
