"""What holds for an option where nobody says anything, as far as that is one value."""

from __future__ import annotations

TORCH = "2.8.0"
PLATFORM = "aarch64"
NPU = "a3"
BUILT_IN = {
    "torch": TORCH,
    "platform": PLATFORM,
    "npu": NPU,
    "glibc": "2.28",
    "python": "3.11",
    "app": "sglang",
    "resolver": "pip-tools",
    "toolchain": "auto",
}
"""What holds where neither the command line nor a setting says anything."""
