"""What `ascend-wheelhouse` and `python -m ascend_wheelhouse` start."""

from __future__ import annotations

import sys

from ascend_wheelhouse.base import interrupts


def main() -> None:
    """Run the command line; Ctrl-C is answered while the rest is imported, too."""
    interrupts.begin(sys.argv)
    from ascend_wheelhouse.commands import program  # noqa: PLC0415 - that takes as long as a person needs for Ctrl-C

    program.main()


if __name__ == "__main__":
    main()
