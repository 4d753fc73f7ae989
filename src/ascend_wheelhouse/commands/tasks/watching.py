"""The task that looks at upstream."""

from __future__ import annotations

from invoke.context import Context

from ascend_wheelhouse import console
from ascend_wheelhouse.commands.tasks.flags import task
from ascend_wheelhouse.commands.tasks.making_words import RESOLVER
from ascend_wheelhouse.commands.tasks.words import JSON, path_of, root_of


@task(
    aliases=["outdated"],
    help=JSON
    | {
        "stack": "only this stack, or this folder of lockfiles/",
        "torch": "only stacks and locks of this torch",
        "platform": "only aarch64 or x86_64",
        "npu": "only this chip",
        "cann": "only this CANN",
        "app": "only what serves with this: sglang or vllm-ascend",
        "only": "only these components or projects, separated by commas",
        "vulnerabilities": "a database exported from OSV: its PyPI/all.zip, a folder of records, or one record",
        "all": "list every wheel with a newer release (--json always does)",
        "offline": "go by the last answers of the index",
        "apply": "make the new locks, and keep them if they pass the audit; a component moves when --only names it",
        "resolver": "pip-tools (default) or uv, for --apply",
        "exit-code": "exit 11 when something was found",
    },
    settled=["resolver"],
)
def watch(
    c: Context,
    stack: str = "",
    torch: str = "",
    platform: str = "",
    npu: str = "",
    cann: str = "",
    app: str = "",
    only: str | None = None,
    vulnerabilities: str = "",
    all: bool = False,  # noqa: A002 - the option's name
    offline: bool = False,
    apply: bool = False,
    resolver: str = RESOLVER,
    exit_code: bool = False,
    json: bool = False,
) -> None:
    """Show what upstream has published since the locks were made, and what it would change."""
    with console.main_guard(json=json):
        from ascend_wheelhouse.commands import watch as command
        from ascend_wheelhouse.resolve.resolvers import resolver_name
        from ascend_wheelhouse.watch.held import WatchChoice

        choice = WatchChoice(stack=stack, torch=torch, platform=platform, npu=npu, cann=cann, app=app)
        code = command.main(
            command.WatchOptions(
                root=root_of(c),
                choice=choice,
                only=only,
                vulnerabilities=path_of(vulnerabilities),
                whole=all,
                offline=offline,
                apply=apply,
                resolver=resolver_name(resolver or RESOLVER),
                exit_code=exit_code,
                json=json,
            )
        )
    if code:  # else what stands behind it on the command line is done, too
        raise SystemExit(code)
