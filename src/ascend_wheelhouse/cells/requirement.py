"""Requirements as they stand in recipes and stacks."""

from __future__ import annotations

from packaging.requirements import InvalidRequirement, Requirement


def check_requirement(text: str) -> str:
    """Return the text when it is a PEP 508 requirement.

    Raises:
        ValueError: It is not.
    """
    try:
        Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(f"{text!r} is not a requirement such as 'numpy>=1.26'") from error
    return text
