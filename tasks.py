"""The commands of `invoke`; the tasks stand in `ascend_wheelhouse.commands.tasks`, by topic."""

from __future__ import annotations

import sys
from pathlib import Path

from ascend_wheelhouse.base import interrupts

interrupts.begin(sys.argv)  # before what takes long to import

from ascend_wheelhouse.commands import usage  # noqa: E402
from ascend_wheelhouse.commands.tasks import collection  # noqa: E402

usage.propose()
namespace = collection(Path(__file__).parent.absolute())
