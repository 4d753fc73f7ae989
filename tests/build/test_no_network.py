"""Building asks no server: what it needs is pinned and brought before."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys

from ascend_wheelhouse import build

_CODE = """
import importlib, json, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""


def test_nothing_in_build_imports_what_reaches_the_network() -> None:
    names = [f"{build.__name__}.{module.name}" for module in pkgutil.iter_modules(build.__path__)]
    command = [sys.executable, "-c", _CODE, json.dumps(names)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {name for name in json.loads(done.stdout) if name.startswith("ascend_wheelhouse.")}
    assert set(names) <= loaded
    assert not {name for name in loaded if name.split(".")[1] in {"origins", "fetch", "resolve", "pin"}}
