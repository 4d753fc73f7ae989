"""The choice of a resolver by its name."""

from __future__ import annotations

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.resolve.pip_tools import PipToolsResolver
from ascend_wheelhouse.resolve.request import Resolver
from ascend_wheelhouse.resolve.uv import UvResolver

RESOLVERS: dict[str, type[PipToolsResolver | UvResolver]] = {"pip-tools": PipToolsResolver, "uv": UvResolver}


class UnknownResolverError(UsageError):
    """`--resolver` names none."""


def resolver_named(name: str) -> Resolver:
    """Return the resolver of that name.

    Raises:
        UnknownResolverError: There is none.
    """
    if name not in RESOLVERS:
        raise UnknownResolverError(
            f"Unknown resolver {name!r}.", next_step=f"--resolver {' or --resolver '.join(RESOLVERS)}"
        )
    return RESOLVERS[name]()
