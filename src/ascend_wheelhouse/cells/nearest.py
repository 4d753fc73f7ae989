"""The stack that is nearest to a request that no stack answers: a derived cell takes from it what no rule says."""

from __future__ import annotations

from packaging.version import Version

from ascend_wheelhouse.base.errors import UsageError
from ascend_wheelhouse.cells.compatibility import line_steps
from ascend_wheelhouse.cells.request import Request
from ascend_wheelhouse.cells.stack import Catalogue, Stack


class NoStackError(UsageError):
    """No stack file is for the target, so nothing can be derived from one."""


def fitting(request: Request, catalogue: Catalogue) -> list[Stack]:
    """Return the stacks of an application that are for a machine."""
    machine, application = request.target.machine, request.application
    return [one for one in catalogue.stacks if machine in one.platforms and one.application == application]


def nearest_stack(request: Request, catalogue: Catalogue, cann: str = "") -> Stack:
    """Return the stack that is nearest to what was asked for; of equally near ones that of the oldest application.

    Args:
        request: What was asked.
        catalogue: The stacks.
        cann: The CANN version, whose line decides before the torch does; empty where none is known.

    Raises:
        NoStackError: No stack is for the target.
    """
    wanted = Version(request.torch)
    known = fitting(request, catalogue)
    if not known:
        raise NoStackError(
            f"No stack of {request.application} is for {request.target.machine}.",
            why=f"What no stack lists is derived from the nearest one, and none below {catalogue.folder} is for these.",
            next_step="`invoke recipes` shows what each stack is for; recipes/README.md says how one is written",
        )

    def distance(stack: Stack) -> tuple[int, bool, int, bool, Version]:
        own = Version(stack.torch)
        steps = abs((own.minor - wanted.minor) * 100 + own.micro - wanted.micro)
        lines = line_steps(stack.cann, cann) if cann else 0
        return lines, own.major != wanted.major, steps, not stack.default, Version(stack.release)

    return min(known, key=distance)
