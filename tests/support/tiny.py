"""A component so small that its build needs no wheel of the index: one C file, and a script that zips the wheel."""

from __future__ import annotations

import os
from pathlib import Path

from upstreams import commit

from ascend_wheelhouse.build.job import BuildJob, Sources
from ascend_wheelhouse.cells.cell import Cell
from ascend_wheelhouse.cells.spec import BuildTable
from ascend_wheelhouse.origins.git import pin
from ascend_wheelhouse.origins.mirrors import Mirrors
from ascend_wheelhouse.store.store import Store

URL = "https://hub.test/tiny.git"
_MAKE = """
import os, subprocess, sys, zipfile
subprocess.check_call(["gcc", "-g", "-shared", "-fPIC", "-o", "tiny.so", "tiny.c"])
os.makedirs("dist")
tag = f"cp311-cp311-linux_{os.uname().machine}"
with zipfile.ZipFile(f"dist/tiny-1.0-{tag}.whl", "w") as wheel:
    wheel.write("tiny.so", "tiny/tiny.so")
    wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n")
    wheel.writestr("tiny-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\nTag: {tag}\\n")
    names = ["tiny/tiny.so"] + [f"tiny-1.0.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD")]
    wheel.writestr("tiny-1.0.dist-info/RECORD", "".join(f"{name},,\\n" for name in names))
"""


def tiny_job(root: Path, where: Cell, *steps: tuple[str, ...], **table: object) -> tuple[BuildJob, Store]:
    """Return a job of the tiny component and the store that holds its source.

    Args:
        root: Where the upstream and the store are made.
        where: The cell.
        steps: What runs before the wheel is made.
        table: Further keys of the build table.
    """
    servers = root / "servers"
    if not servers.exists():
        commit(
            servers / "tiny.git",
            {
                "make.py": _MAKE,
                "tiny.c": "#include <stdlib.h>\nvoid *PyInit_tiny(void) { return malloc(1); }\n",
            },
        )
    store = Store(root / "store")
    mirrors = Mirrors(prefixes={"https://hub.test/": f"file://{servers}/"})
    source = pin(URL, "main", store=store, mirrors=mirrors)
    spec = BuildTable.model_validate(
        {"steps": [*steps, ("python3", "make.py")], "distributions": ["tiny"], "memory_mb": 64, **table}
    ).resolve(where, "1.0")
    job = BuildJob(
        component="tiny",
        version="1.0",
        machine=os.uname().machine,
        python=f"{where.target.python[0]}.{where.target.python[1]}",
        spec=spec,
        sources=Sources(tree=source),
    )
    return job, store
