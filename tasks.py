"""The commands of `invoke`; the tasks stand in `ascend_wheelhouse.commands.tasks`, by topic."""

from __future__ import annotations

import sys
from pathlib import Path

from ascend_wheelhouse import console
from ascend_wheelhouse.commands import usage
from ascend_wheelhouse.commands.tasks import collection

console.stop_early(json=usage.wants_json(sys.argv))
usage.propose()
namespace = collection(Path(__file__).parent.absolute())
