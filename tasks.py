"""Doors for people: each task parses words, calls one function, prints. No logic lives here.

Imports stand inside the tasks, because `invoke wheelhouse` with nothing to do must cost little more than importing
invoke.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from invoke.context import Context
from invoke.tasks import task

ROOT = Path(__file__).parent.absolute()
_HELP = {
    "torch": "torch version, such as 2.8.0",
    "platform": "aarch64 or x86_64",
    "npu": "a3 (default) or 910b",
    "cann": "CANN version; the stack's default when not given",
    "sglang": "SGLang version; the stack's when not given",
    "json": "machine-readable output",
}


@task(
    default=True,
    help=_HELP
    | {
        "offline": "use the store alone",
        "strict": "exit 8 when a component is missing (the default where CI is set)",
        "upgrade": "make a new lock although one is committed",
        "check": "re-hash a finished wheelhouse instead of trusting its time stamps",
        "dry-run": "show the plan and stop",
        "resolver": "pip-tools (default) or uv",
        "exclude-newer": "leave out uploads after this date or RFC 3339 time",
        "build": "build this component from source (may be repeated)",
        "output": "folder that holds the wheelhouses",
        "retry": "ask again for what is pending",
        "audit": "--no-audit leaves out the proof that the wheels fit together",
    },
    iterable=["build"],
)
def wheelhouse(
    _c: Context,
    torch: str = "2.8.0",
    platform: str = "aarch64",
    npu: str = "a3",
    cann: str = "",
    sglang: str = "",
    offline: bool = False,
    strict: bool = False,
    upgrade: bool = False,
    check: bool = False,
    dry_run: bool = False,
    resolver: str = "pip-tools",
    exclude_newer: str = "",
    build: list[str] | None = None,
    output: str = "",
    retry: bool = False,
    audit: bool = True,
    json: bool = False,
) -> None:
    """Make a wheelhouse: every wheel, lock, index, manifest and checksum for one kind of node."""
    from ascend_wheelhouse.commands import wheelhouse as command

    command.main(
        ROOT,
        words={
            "torch": torch,
            "platform": platform,
            "npu": npu,
            "cann": cann,
            "sglang": sglang,
            "exclude_newer": exclude_newer,
            "resolver": resolver,
            "build": ",".join(build or []),
            "output": output,
        },
        offline=offline,
        strict=strict,
        upgrade=upgrade,
        check=check,
        dry_run=dry_run,
        retry=retry,
        audit=audit,
        json=json,
    )


_BUILD_HELP = {
    "component": "name of a recipe with a [build] table",
    "container": "build in this image; `recipe` for the recipe's own",
    "offline": "use the store alone",
}


@task(help=_HELP | _BUILD_HELP | {"sandbox": "seal the build (--no-sandbox to go on without)"})
def build(
    _c: Context,
    component: str,
    torch: str = "2.8.0",
    platform: str = "aarch64",
    npu: str = "a3",
    cann: str = "",
    sglang: str = "",
    sandbox: bool = True,
    container: str = "",
    offline: bool = False,
    json: bool = False,
) -> None:
    """Build one component from its locked source, without a network."""
    from ascend_wheelhouse.commands import build as command

    words = {"torch": torch, "platform": platform, "npu": npu, "cann": cann, "sglang": sglang}
    command.main(
        ROOT, component, words=words, sandbox=sandbox, container=container, offline=offline, json=json
    )


@task(help=_HELP | _BUILD_HELP)
def reproduce(
    _c: Context,
    component: str,
    torch: str = "2.8.0",
    platform: str = "aarch64",
    npu: str = "a3",
    cann: str = "",
    sglang: str = "",
    container: str = "",
    offline: bool = False,
    json: bool = False,
) -> None:
    """Build one component twice under different conditions, and compare the wheels."""
    from ascend_wheelhouse.commands import build as command

    words = {"torch": torch, "platform": platform, "npu": npu, "cann": cann, "sglang": sglang}
    command.compare(ROOT, component, words=words, container=container, offline=offline, json=json)


@task(help=_HELP | {"dot": "a graph for Graphviz"})
def plan(
    _c: Context,
    torch: str = "2.8.0",
    platform: str = "aarch64",
    npu: str = "a3",
    cann: str = "",
    sglang: str = "",
    dot: bool = False,
    json: bool = False,
) -> None:
    """Show every step of a wheelhouse: cached, fetch, build or pending, and why."""
    from ascend_wheelhouse.commands import plan as command

    words = {"torch": torch, "platform": platform, "npu": npu, "cann": cann, "sglang": sglang}
    command.main(ROOT, words=words, form="dot" if dot else "json" if json else "table")


@task(
    help=_HELP
    | {
        "upgrade": "resolve anew although a lock is committed",
        "resolver": "pip-tools (default) or uv",
        "exclude-newer": "leave out uploads after this date or RFC 3339 time",
    }
)
def lock(
    _c: Context,
    torch: str = "2.8.0",
    platform: str = "aarch64",
    npu: str = "a3",
    cann: str = "",
    sglang: str = "",
    upgrade: bool = False,
    resolver: str = "pip-tools",
    exclude_newer: str = "",
    json: bool = False,
) -> None:
    """Make or change a lock, and print what changed and why."""
    from ascend_wheelhouse.commands import lock as command

    words = {
        "torch": torch,
        "platform": platform,
        "npu": npu,
        "cann": cann,
        "sglang": sglang,
        "resolver": resolver,
        "exclude_newer": exclude_newer,
    }
    command.main(ROOT, words=words, upgrade=upgrade, json=json)


@task(help=_HELP | {"offline": "say what the store lacks"})
def fetch(
    _c: Context,
    torch: str = "2.8.0",
    platform: str = "aarch64",
    npu: str = "a3",
    cann: str = "",
    sglang: str = "",
    offline: bool = False,
    json: bool = False,
) -> None:
    """Bring every locked file into the store, without making a wheelhouse."""
    from ascend_wheelhouse.commands import fetch as command

    words = {"torch": torch, "platform": platform, "npu": npu, "cann": cann, "sglang": sglang}
    command.main(ROOT, words=words, offline=offline, json=json)


@task(
    help={
        "json": "machine-readable output",
        "schema": "write the JSON Schema of recipes and stacks for editors",
    }
)
def recipes(_c: Context, json: bool = False, schema: bool = False) -> None:
    """Check every recipe and stack, and list them."""
    from ascend_wheelhouse.commands import recipes as command

    command.main(ROOT, json=json, schema=schema)


@task(help={"json": "machine-readable output", "prune": "remove what no lock and no hand-over names"})
def cache(_c: Context, json: bool = False, prune: bool = False) -> None:
    """Show what the store holds, or prune it."""
    from ascend_wheelhouse.commands import cache as command

    command.main(ROOT, json=json, prune=prune)


@task(
    positional=["file"],
    help={
        "file": "a wheel, a .run package, an sdist or a release zip",
        "component": "whose it is, where its name does not say",
        "version": "the release that it is from, as stacks name it",
        "platform": "the machine that it is for, where its name does not say",
        "npu": "the chip that it is for, where its name does not say",
        "cann": "the CANN that it is for, where its name does not say",
        "sha256": "the digest that it must have",
        "json": "machine-readable output",
    },
)
def vendor(
    _c: Context,
    file: str,
    component: str = "",
    version: str = "",
    platform: str = "",
    npu: str = "",
    cann: str = "",
    sha256: str = "",
    json: bool = False,
) -> None:
    """Hand over a file that could not be fetched; a release archive is opened."""
    from ascend_wheelhouse.commands import vendor as command

    words = {
        "component": component,
        "version": version,
        "platform": platform,
        "npu": npu,
        "cann": cann,
        "sha256": sha256,
    }
    command.main(ROOT, file, words=words, json=json)


@task(help={"json": "machine-readable output"})
def vendored(_c: Context, json: bool = False) -> None:
    """List the files that were handed over."""
    from ascend_wheelhouse.commands import vendor as command

    command.listing(json=json)


@task(
    help=_HELP
    | {
        "wheelhouse": "pack this folder instead of the cell's",
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
    }
)
def bundle(
    _c: Context,
    torch: str = "2.8.0",
    platform: str = "aarch64",
    npu: str = "a3",
    cann: str = "",
    sglang: str = "",
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
    oci: bool = False,
    allow_incomplete: bool = False,
    json: bool = False,
) -> None:
    """Pack a wheelhouse into one signed file; or list, prove or rebuild a bundle."""
    from ascend_wheelhouse.commands import bundle as command

    if list:
        command.show(Path(list), json=json)
    elif verify:
        command.verify(
            Path(verify), trusted_key=trusted_key, insecure=insecure_no_signature, base=base, json=json
        )
    elif rebuild:
        command.rebuild(
            Path(rebuild), base=base, out=out, trusted_key=trusted_key, insecure=insecure_no_signature
        )
    else:
        words = {
            "torch": torch,
            "platform": platform,
            "npu": npu,
            "cann": cann,
            "sglang": sglang,
            "wheelhouse": wheelhouse,
            "out": out,
            "split": split,
            "base": base,
            "sign_key": sign_key,
            "serial": serial,
        }
        command.pack(ROOT, words=words, oci=oci, allow_incomplete=allow_incomplete, json=json)


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
    out: str,
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
            Path(source), base=base, out=Path(out), inside=prefix, platform=platform, json=json
        )
    else:
        command.write_context(
            Path(source), out=Path(out), base=base, trusted_key=trusted_key, prefix=prefix, json=json
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
    help={
        "wheelhouse": "a wheelhouse, or any folder of wheels",
        "lock": "a pylock.<platform>.toml whose wheels are beside it or in the store",
        "cann-root": "an installed CANN: its symbols are compared and kept for later audits",
        "platform": "aarch64 or x86_64; read off the manifest or the wheels when not given",
        "npu": "a3 (default) or 910b, where no manifest says it",
        "sarif": "file to write the report to as SARIF 2.1.0",
        "json": "machine-readable output",
    }
)
def audit(
    c: Context,
    wheelhouse: str = "",
    lock: str = "",
    cann_root: str = "",
    platform: str = "",
    npu: str = "a3",
    sarif: str = "",
    json: bool = False,
) -> None:
    """Prove that wheels fit together and fit the target; name wheels after `--`."""
    from ascend_wheelhouse.commands import audit as command

    words = {
        "wheelhouse": wheelhouse,
        "lock": lock,
        "cann_root": cann_root,
        "platform": platform,
        "npu": npu,
        "sarif": sarif,
    }
    raise SystemExit(command.main(ROOT, wheels=shlex.split(c.remainder), words=words, json=json))


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
