"""Standard streams that whoever started the program had closed, as `>&-` does, or a service manager."""

from __future__ import annotations

import os
import sys

_MODES = {"stdin": "r", "stdout": "w", "stderr": "w"}


def stand_in() -> None:
    """Put the null device in the place of each closed stream; child processes get it, too.

    Python leaves None there, which nothing can be written to, and gives the number of the stream to the next file.
    """
    for number, (name, mode) in enumerate(_MODES.items()):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened == number:
                os.set_inheritable(number, True)  # noqa: FBT003 - it takes no names
            else:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - it stays
