"""Install a wheelhouse on this node: `python3.11 -I install.py --prefix DIR`; `--help` tells the rest.

`install.py` is a zip archive of Python sources, and this file is its `__main__.py`. All that it does is look at the
Python that runs it and go on in `node/install/program.py` in the archive, which needs the standard library alone.
The archive stands in the search where a script's folder would, so that nothing beside it is ever imported.
"""

import sys

if __name__ == "__main__":
    if sys.version_info[:2] < (3, 11):  # noqa: UP036 - an older Python must read why it will not do
        sys.exit("error: Python 3.11 or newer is needed.\n\nNext: python3.11 -I install.py --help")
    sys.dont_write_bytecode = True

    import importlib
    import os.path

    # A relative name would be looked up again at each import, wherever this process then stands.
    sys.path[0] = os.path.abspath(sys.path[0])  # noqa: PTH100 - pathlib is not needed yet
    sys.exit(importlib.import_module("node.install.program").main(sys.argv[1:]))
