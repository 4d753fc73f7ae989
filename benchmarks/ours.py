"""Our fetch alone: a lock as JSON in, files in the store out.

python benchmarks/ours.py LOCK
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ascend_wheelhouse.base.artifact import from_row
from ascend_wheelhouse.fetch.fetch import fetch_all
from ascend_wheelhouse.fetch.transfer import Download
from ascend_wheelhouse.origins.http import Http
from ascend_wheelhouse.origins.index import Finder
from ascend_wheelhouse.store.store import Store

entries = json.loads(Path(sys.argv[1]).read_text())
downloads = [Download.of(**from_row(entry)) for entry in entries]
http = Http()
finder = Finder(http)
fetch_all(
    downloads,
    Store(),
    http=http,
    locate=lambda each: finder.where(each.name, each.filename, str(each.sha256)),
)
