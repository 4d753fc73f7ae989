"""Tasks that prove something: of wheels, of this host, of many nodes."""

from __future__ import annotations

from pathlib import Path

from invoke.context import Context

from ascend_wheelhouse import console
from ascend_wheelhouse.commands.tasks.built_in import NPU
from ascend_wheelhouse.commands.tasks.flags import task
from ascend_wheelhouse.commands.tasks.words import JSON, path_of, root_of, split_words


@task(
    help=JSON
    | {
        "wheelhouse": "a wheelhouse, or any folder of wheels",
        "lock": "a pylock.<platform>.toml whose wheels are beside it or in the store",
        "cann-root": "an installed CANN: its symbols are compared and kept for later audits",
        "platform": "aarch64 or x86_64; read off the manifest or the wheels when not given",
        "npu": "a3 (default), 910b or 950, where no manifest says it",
        "pair": "judge how the wheels given fit each other, not whether everything is there that they need",
        "sarif": "file to write the report to as SARIF 2.1.0",
    },
    settled=["npu"],
)
def audit(
    c: Context,
    wheelhouse: str = "",
    lock: str = "",
    cann_root: str = "",
    platform: str = "",
    npu: str = NPU,
    sarif: str = "",
    pair: bool = False,
    json: bool = False,
) -> None:
    """Prove that wheels fit together and fit the target; name wheels after `--`."""
    json = json or "--json" in c.remainder.split()  # behind `--` it is meant as the option all the same
    with console.main_guard(json=json):
        from ascend_wheelhouse.audit.command import AuditRequest
        from ascend_wheelhouse.commands import audit as command

        request = AuditRequest.of(
            *(Path(word) for word in split_words(c.remainder) if word != "--json"),
            wheelhouse=path_of(wheelhouse),
            lock=path_of(lock),
            cann_root=path_of(cann_root),
            platform=platform,
            npu=npu,
            alone=pair,
        )
        code = command.main(
            command.AuditOptions(root=root_of(c), request=request, sarif=path_of(sarif), json=json)
        )
    if code:  # else what stands behind it on the command line is done, too
        raise SystemExit(code)


@task(
    help=JSON
    | {
        "fix": "set what can be set, so that it survives a reboot",
        "emulation": "say instead what running a wheelhouse of the other architecture here takes",
        "node": "examine this host as a node, although it has no NPU",
    }
)
def doctor(
    _c: Context, fix: bool = False, emulation: bool = False, node: bool = False, json: bool = False
) -> None:
    """Say what this host lacks: a build host for making wheelhouses, a node for running them."""
    with console.main_guard(json=json):
        from ascend_wheelhouse.commands import doctor as command

        code = command.main(command.DoctorOptions(fix=fix, emulation=emulation, node=node, json=json))
    if code:  # else what stands behind it on the command line is done, too
        raise SystemExit(code)


@task(
    positional=["folder"],
    iterable=["more"],
    help=JSON
    | {
        "folder": "where one or more report.json of verifications are, below it at any depth",
        "more": "another such folder; may be repeated",
        "out": "the page to write",
    },
)
def verify_report(
    _c: Context, folder: str, more: list[str], out: str = "verify-report.html", json: bool = False
) -> None:
    """Put the verification reports of many nodes on one HTML page."""
    with console.main_guard(json=json):
        from ascend_wheelhouse.commands import verify_report as command

        folders = (Path(folder), *map(Path, more))
        command.main(command.VerifyReportOptions(folders=folders, out=Path(out), json=json))
