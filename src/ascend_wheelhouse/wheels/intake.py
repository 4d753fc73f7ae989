"""What a file must be before the store keeps it, whichever way it came in: on its own or in an archive."""

from __future__ import annotations

from pathlib import Path

from ascend_wheelhouse.wheels.admission import require_makeself, require_safe
from ascend_wheelhouse.wheels.wheel import WheelFile


def require_sound(path: Path, filename: str) -> None:
    """Refuse a wheel that is not safe to unpack, and a `.run` package that is not whole; other files pass.

    Raises:
        UnsafeArchiveError, BadWheelError, NotMakeselfError: It is not.
    """
    if filename.endswith(".whl"):
        with WheelFile.open(path, filename=filename) as wheel:
            require_safe(filename, [member.info for member in wheel.members])
    elif filename.endswith(".run"):
        require_makeself(path, filename)
