"""Write the functions that torch_npu links to and the software NPU does not implement.

Each answers with a clean error that names it: a C function returns CANN's code for an unsupported feature
and leaves the words for aclGetRecentErrMsg, a C++ function throws.

Usage: make_gaps.py GAPS.txt > gaps.cpp
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

HEAD = """\
// Generated from gaps.txt.
#include <stdexcept>
#include <string>

extern "C" int software_npu_gap(const char *name);

static void refuse(const char *name) {
  throw std::runtime_error(std::string(name) + " is not part of the software NPU");
}
"""


def function(index: int, name: str) -> str:
    """Return the definition of one function."""
    if name.startswith("_Z"):
        return f'extern "C" void gap{index}() __asm__("{name}");\nvoid gap{index}() {{ refuse("{name}"); }}\n'
    return f'extern "C" long {name}() {{ return software_npu_gap("{name}"); }}\n'


def main(arguments: Sequence[str]) -> int:
    """Write the source to standard output."""
    lines = Path(arguments[0]).read_text(encoding="ascii").splitlines()
    names = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    sys.stdout.write(HEAD + "".join(function(index, name) for index, name in enumerate(names)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
