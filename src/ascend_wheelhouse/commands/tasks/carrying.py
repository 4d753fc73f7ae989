"""Tasks that carry a wheelhouse to nodes: bundles and their key, and images."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.context import Context

from ascend_wheelhouse import console
from ascend_wheelhouse.base import settings
from ascend_wheelhouse.commands.tasks.built_in import NPU, PLATFORM, TORCH
from ascend_wheelhouse.commands.tasks.cell import CellOptions, cell_task
from ascend_wheelhouse.commands.tasks.flags import task
from ascend_wheelhouse.commands.tasks.words import (
    JSON,
    path_of,
    require,
    root_of,
    split_words,
)

if TYPE_CHECKING:
    from ascend_wheelhouse.cells.request import Request
    from ascend_wheelhouse.commands.bundle import (
        BundleOptions,
        PackOptions,
        ProveOptions,
        RebuildOptions,
        ToolRequest,
    )
    from ascend_wheelhouse.commands.image import AppendOptions


@cell_task(
    help=JSON
    | {
        "wheelhouse": "pack this folder instead of the cell's",
        "tool": "pack this program itself, for hosts of --platform (this one's architecture when not given)",
        "out": "folder or .tar file to write; bundles/ when not given",
        "split": "size of parts, such as 4G",
        "oci": "write an OCI image layout",
        "base": "an older bundle or manifest: write only what it lacks",
        "sign-key": "OpenSSH private key (Ed25519) to sign with",
        "serial": "serial of the bundle; rises by itself when not given",
        "allow-incomplete": "pack although components are pending",
        "list": "list this bundle instead",
        "verify": "prove this bundle instead",
        "rebuild": "write the whole bundle of this delta and --base to --out instead",
        "trusted-key": "public key or allowed-signers file to prove it against",
        "insecure-no-signature": "accept an unsigned bundle",
    },
    settled=["sign_key", "trusted_key"],
)
def bundle(
    c: Context,
    cell: CellOptions,
    wheelhouse: str = "",
    out: str = "",
    split: str = "",
    base: str = "",
    sign_key: str = "",
    serial: str = "",
    list: str = "",  # noqa: A002 - the option's name
    verify: str = "",
    rebuild: str = "",
    trusted_key: str = "",
    insecure_no_signature: bool = False,
    tool: bool = False,
    oci: bool = False,
    allow_incomplete: bool = False,
    json: bool = False,
) -> None:
    """Pack a wheelhouse, or this program, into one signed file; or list, prove or rebuild a bundle."""
    with cell.guard(json=json):
        from ascend_wheelhouse.commands import bundle as command

        insecure = insecure_no_signature
        _require_one({"--list": list, "--verify": verify, "--rebuild": rebuild})
        if list:
            options: BundleOptions = command.ListOptions(bundle=Path(list), json=json)
        elif verify:
            options = _proving(verify, base, trusted_key, insecure=insecure, json=json)
        elif rebuild:
            options = _rebuilding(rebuild, base, out, trusted_key, insecure=insecure, json=json)
        else:
            what = _asked(cell, wheelhouse, tool=tool)
            flags = {"oci": oci, "allow_incomplete": allow_incomplete, "json": json}
            options = _packing(root_of(c), what, out, split, base, sign_key, serial, **flags)
        command.main(options)


def _asked(cell: CellOptions, wheelhouse: str, *, tool: bool) -> Path | Request | ToolRequest:
    from ascend_wheelhouse.bundle.command import OptionsClashError
    from ascend_wheelhouse.commands.bundle import ToolRequest

    if tool and wheelhouse:
        raise OptionsClashError(
            "--tool and --wheelhouse exclude each other.",
            next_step="leave out one of them; a bundle holds one",
        )
    if not tool:
        return path_of(wheelhouse) or cell.request()
    return ToolRequest(target=_hosts(cell).request().target)


def _hosts(cell: CellOptions) -> CellOptions:
    """Return for which hosts the program is packed: settings name the nodes, so the command line alone counts."""
    found = settings.current().found()
    given = {key for key, one in found.items() if one.place.name == "command line"}
    said = {key: value for key, value in vars(cell).items() if key in given}
    return replace(CellOptions(platform=os.uname().machine), **said)


def _packing(
    root: Path,
    wheelhouse: Path | Request | ToolRequest,
    out: str,
    split: str,
    base: str,
    sign_key: str,
    serial: str,
    **flags: bool,
) -> PackOptions:
    from ascend_wheelhouse.bundle.parts import part_size
    from ascend_wheelhouse.bundle.serial import parse
    from ascend_wheelhouse.commands.bundle import PackOptions

    return PackOptions(
        root=root,
        wheelhouse=wheelhouse,
        out=path_of(out) or root / "bundles",
        split=part_size(split) if split else None,
        base=path_of(base),
        sign_key=path_of(sign_key),
        serial=parse(serial) if serial else None,
        **flags,
    )


def _proving(bundle: str, base: str, trusted_key: str, *, insecure: bool, json: bool) -> ProveOptions:
    from ascend_wheelhouse.commands.bundle import ProveOptions

    return ProveOptions(
        bundle=Path(bundle),
        base=path_of(base),
        trusted_key=trusted_key or None,
        insecure=insecure,
        json=json,
    )


def _rebuilding(
    delta: str, base: str, out: str, trusted_key: str, *, insecure: bool, json: bool
) -> RebuildOptions:
    from ascend_wheelhouse.bundle.command import OptionsClashError
    from ascend_wheelhouse.commands.bundle import RebuildOptions

    if not base or not out:
        old, new, key = (
            shlex.quote(word) for word in (base or "OLD_BUNDLE", out or "NEW.tar", trusted_key or "KEY")
        )
        raise OptionsClashError(
            "--rebuild needs --base and --out.",
            next_step=f"invoke bundle --rebuild {shlex.quote(delta)} --base {old} --out {new} --trusted-key {key}",
        )
    return RebuildOptions(
        delta=Path(delta),
        base=Path(base),
        out=Path(out),
        trusted_key=trusted_key or None,
        insecure=insecure,
        json=json,
    )


def _require_one(asked: Mapping[str, str]) -> None:
    """Refuse two things to do with bundles at once: only one of them would be done, without a word of the other."""
    from ascend_wheelhouse.bundle.command import OptionsClashError

    first, *others = [option for option, bundle in asked.items() if bundle] or [""]
    if others:
        raise OptionsClashError(
            f"{first} and {others[0]} exclude each other.",
            why="A command does one thing with one bundle.",
            next_step=f"leave out {' and '.join(others)}; then the same with it alone",
        )


@task(positional=["path"], help=JSON | {"path": "where the private key goes"})
def keygen(c: Context, path: str, json: bool = False) -> None:
    """Make an Ed25519 key that signs bundles; an existing one is never replaced."""
    with console.main_guard(json=json):
        from ascend_wheelhouse.commands import keygen as command

        held = {key: one.value for key, one in settings.current().found().items()}
        chosen = held if held.keys() & {"stack", "app"} else {"torch": TORCH, **held}
        cell = {"platform": PLATFORM, **chosen}
        wheelhouses = root_of(c) / "wheelhouse"
        command.main(command.KeygenOptions(path=Path(path), wheelhouses=wheelhouses, cell=cell, json=json))


@task(
    positional=["source"],
    help=JSON
    | {
        "source": "a bundle, its parts, or a wheelhouse folder; with --append an installed environment",
        "out": "folder to write: the build context, or the image layout",
        "base": "base image instead of the cell's CANN image; with --append a folder with its image layout",
        "trusted-key": "who must have signed the bundle; without it an unsigned wheelhouse is taken",
        "prefix": "where the environment stands in the image",
        "append": "no engine: put an installed environment as a layer on the base image layout",
        "platform": "with --append: which image of the base, aarch64 or x86_64",
    },
    settled=["trusted_key", "platform"],
)
def image(
    _c: Context,
    source: str,
    out: str = "",
    base: str = "",
    trusted_key: str = "",
    prefix: str = "",
    append: bool = False,
    platform: str = PLATFORM,
    json: bool = False,
) -> None:
    """Write the build context of an image on CANN's, or make the image without any engine."""
    with console.main_guard(json=json):
        from ascend_wheelhouse.commands import image as command

        if append:
            command.main(_appending(source, base, out, prefix, platform, json=json))
        else:
            require(out, "--out", next_step=f"invoke image {shlex.quote(source)} --out FOLDER")
            options = command.ContextOptions(
                source=Path(source),
                out=Path(out),
                base=base or None,
                trusted_key=trusted_key or None,
                prefix=prefix or None,
                json=json,
            )
            command.main(options)


def _appending(
    environment: str, base: str, out: str, inside: str, platform: str, *, json: bool
) -> AppendOptions:
    from ascend_wheelhouse.cells.target import Target
    from ascend_wheelhouse.commands.image import AppendOptions

    usual = f"invoke image {shlex.quote(environment)} --append --base LAYOUT --out FOLDER"
    require(base, "--base", next_step=usual)
    require(out, "--out", next_step=usual)
    return AppendOptions(
        environment=Path(environment),
        base=Path(base),
        out=Path(out),
        inside=inside or str(Path(environment).absolute()),
        machine=Target.named(platform).machine,
        json=json,
    )


@task(
    name="run-args",
    help=JSON
    | {
        "npu": "a3 (16 devices) or 910b (8 devices); for 950 upstream states no number",
        "image": "the image's name",
        "model": "folder with the model's weights on the node",
        "command": "what runs in the container; the image's own command when not given",
        "kubernetes": "a Pod instead of a docker run command",
    },
    settled=["npu"],
)
def run_args(
    _c: Context,
    npu: str = NPU,
    image: str = "sglang-npu",
    model: str = "",
    command: str = "",
    kubernetes: bool = False,
    json: bool = False,
) -> None:
    """Print how a container sees the NPUs: devices, volumes and privileges."""
    with console.main_guard(json=json):
        from ascend_wheelhouse.cells.target import Target
        from ascend_wheelhouse.commands.run_args import RunArgsOptions, main

        options = RunArgsOptions(
            npu=Target.named(PLATFORM, npu).npu,
            image=image,
            model=model.rstrip("/") or model,  # as completed by a shell
            command=tuple(split_words(command)),
            kubernetes=kubernetes,
            json=json,
        )
        main(options)
