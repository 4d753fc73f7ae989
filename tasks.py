"""The commands of `invoke`; the tasks stand in `ascend_wheelhouse.commands.tasks`, by topic."""

from __future__ import annotations

from pathlib import Path

from ascend_wheelhouse.commands import usage
from ascend_wheelhouse.commands.tasks import collection

usage.propose()
namespace = collection(Path(__file__).parent.absolute())
