#!/usr/bin/env python3.11
"""Install this wheelhouse on this node: `python3.11 install.py --prefix DIR`; `--help` tells the rest.

This file stands at the top of a wheelhouse as `install.py`. All it does is look at the Python that runs it
and hand over to `node/install.py` beside it, which needs the standard library alone. Nothing else beside it is
ever imported: the folder comes last in the search, after the standard library, and byte code is not read.
"""

import sys

if __name__ == "__main__":
    if sys.version_info[:2] < (3, 11):  # noqa: UP036 - an older Python must read why it will not do
        sys.exit("error: Python 3.11 is needed.\n\nNext: python3.11 install.py --help")
    if not sys.flags.safe_path:
        del sys.path[0]  # this folder: a `pathlib.py` in it must not stand for the real one
    sys.dont_write_bytecode = True
    sys.pycache_prefix = (
        "/dev/null/none"  # byte code is no part of what the manifest's digests are compared with
    )

    import importlib
    import os.path

    sys.path.append(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100,PTH120 - pathlib is not needed yet
    sys.exit(importlib.import_module("node.install").main(sys.argv[1:]))
