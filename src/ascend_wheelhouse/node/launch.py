#!/usr/bin/env python3.11
"""Install this wheelhouse on this node: `python3.11 install.py --prefix DIR`; `--help` tells the rest.

This file stands at the top of a wheelhouse as `install.py`. All it does is look at the Python that runs it
and hand over to `node/install.py` beside it, which needs the standard library alone.
"""

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    if sys.version_info[:2] < (3, 11):  # noqa: UP036 - an older Python must read why it will not do
        sys.exit("error: Python 3.11 is needed.\n\nNext: python3.11 install.py --help")
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    sys.exit(importlib.import_module("node.install").main(sys.argv[1:]))
