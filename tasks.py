"""Doors for people: each task parses words, calls one function, prints. No logic lives here.

Imports stand inside the tasks, because `invoke wheelhouse` with nothing to do must cost little more than importing
invoke.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from invoke.context import Context
from invoke.tasks import task

from ascend_wheelhouse.commands import usage
from ascend_wheelhouse.commands.carry import doctor, image, keygen, run_args, verify_report
from ascend_wheelhouse.commands.words import HELP, on_cell

__all__ = ["doctor", "image", "keygen", "run_args", "verify_report"]  # tasks of a kind of their own

ROOT = Path(__file__).parent.absolute()
usage.propose()


@task(
    default=True,
    help=HELP
    | {
        "offline": "use the store alone",
        "strict": "exit 8 when a component is missing (the default where CI is set)",
        "upgrade": "make a new lock although one is committed",
        "check": "re-hash a finished wheelhouse instead of trusting its time stamps",
        "dry-run": "show the plan and stop",
        "resolver": "pip-tools (default) or uv",
        "exclude-newer": "leave out uploads after this date or RFC 3339 time",
        "build": "build this component from source (may be repeated)",
        "sandbox": "seal builds from source (--no-sandbox to go on without; the manifest says so)",
        "container": "build from source in this image; `recipe` for each recipe's own",
        "output": "folder that holds the wheelhouses",
        "retry": "ask again for what is pending",
        "audit": "--no-audit leaves out the proof that the wheels fit together",
    },
    iterable=["build"],
)
@on_cell
def wheelhouse(
    _c: Context,
    words: dict[str, str],
    offline: bool = False,
    strict: bool = False,
    upgrade: bool = False,
    check: bool = False,
    dry_run: bool = False,
    resolver: str = "pip-tools",
    exclude_newer: str = "",
    build: list[str] | None = None,
    sandbox: bool = True,
    container: str = "",
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
            **words,
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
        sandbox=sandbox,
        container=container,
        json=json,
    )


_BUILD_HELP = {
    "component": "name of a recipe with a [build] table",
    "container": "build in this image; `recipe` for the recipe's own",
    "offline": "use the store alone",
}


@task(help=HELP | _BUILD_HELP | {"sandbox": "seal the build (--no-sandbox to go on without)"})
@on_cell
def build(
    _c: Context,
    component: str,
    words: dict[str, str],
    sandbox: bool = True,
    container: str = "",
    offline: bool = False,
    json: bool = False,
) -> None:
    """Build one component from its locked source, without a network."""
    from ascend_wheelhouse.commands import build as command

    command.main(
        ROOT, component, words=words, sandbox=sandbox, container=container, offline=offline, json=json
    )


@task(help=HELP | _BUILD_HELP)
@on_cell
def reproduce(
    _c: Context,
    component: str,
    words: dict[str, str],
    container: str = "",
    offline: bool = False,
    json: bool = False,
) -> None:
    """Build one component twice under different conditions, and compare the wheels."""
    from ascend_wheelhouse.commands import build as command

    command.compare(ROOT, component, words=words, container=container, offline=offline, json=json)


@task(help=HELP | {"dot": "a graph for Graphviz"})
@on_cell
def plan(
    _c: Context,
    words: dict[str, str],
    dot: bool = False,
    json: bool = False,
) -> None:
    """Show every step of a wheelhouse: cached, fetch, build or pending, and why."""
    from ascend_wheelhouse.commands import plan as command

    command.main(ROOT, words=words, form="dot" if dot else "json" if json else "table")


@task(
    help=HELP
    | {
        "upgrade": "resolve anew although a lock is committed",
        "resolver": "pip-tools (default) or uv",
        "exclude-newer": "leave out uploads after this date or RFC 3339 time",
    }
)
@on_cell
def lock(
    _c: Context,
    words: dict[str, str],
    upgrade: bool = False,
    resolver: str = "pip-tools",
    exclude_newer: str = "",
    json: bool = False,
) -> None:
    """Make or change a lock, and print what changed and why."""
    from ascend_wheelhouse.commands import lock as command

    words |= {
        "resolver": resolver,
        "exclude_newer": exclude_newer,
    }
    command.main(ROOT, words=words, upgrade=upgrade, json=json)


@task(help=HELP | {"offline": "say what the store lacks"})
@on_cell
def fetch(
    _c: Context,
    words: dict[str, str],
    offline: bool = False,
    json: bool = False,
) -> None:
    """Bring every locked file into the store, without making a wheelhouse."""
    from ascend_wheelhouse.commands import fetch as command

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
        "file": "a wheel, a .run package, an sdist, a release zip, or the folder of a whole wheelhouse",
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
    """Hand over a file that could not be fetched (a release archive is opened), or a whole wheelhouse."""
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
    help=HELP
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
@on_cell
def bundle(
    _c: Context,
    words: dict[str, str],
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
        words |= {
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
        "wheelhouse": "a wheelhouse, or any folder of wheels",
        "lock": "a pylock.<platform>.toml whose wheels are beside it or in the store",
        "cann-root": "an installed CANN: its symbols are compared and kept for later audits",
        "platform": "aarch64 or x86_64; read off the manifest or the wheels when not given",
        "npu": "a3 (default) or 910b, where no manifest says it",
        "pair": "judge how the wheels given fit each other, not whether everything is there that they need",
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
    pair: bool = False,
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
    wheels = shlex.split(c.remainder)
    raise SystemExit(command.main(ROOT, wheels=wheels, words=words, alone=pair, json=json))
