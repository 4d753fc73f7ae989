"""The choice of a resolver by its name; the resolver itself is imported when it is to resolve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from ascend_wheelhouse.base.errors import UsageError

if TYPE_CHECKING:
    from ascend_wheelhouse.resolve.request import Resolver

ResolverName = Literal["pip-tools", "uv"]
RESOLVERS: tuple[ResolverName, ...] = get_args(ResolverName)


class UnknownResolverError(UsageError):
    """`--resolver` names none."""


def resolver_name(text: str) -> ResolverName:
    """Return what `--resolver` says.

    Raises:
        UnknownResolverError: There is no resolver of that name.
    """
    for known in RESOLVERS:
        if known == text:
            return known
    raise UnknownResolverError(
        f"Unknown resolver {text!r}.", next_step=f"--resolver {' or --resolver '.join(RESOLVERS)}"
    )


def resolver_named(name: ResolverName) -> Resolver:
    """Return the resolver of that name."""
    if name == "uv":
        from ascend_wheelhouse.resolve.uv import UvResolver  # noqa: PLC0415

        return UvResolver()
    from ascend_wheelhouse.resolve.pip_tools import PipToolsResolver  # noqa: PLC0415

    return PipToolsResolver()
