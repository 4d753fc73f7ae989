"""Self-extracting packages in the form that makeself writes, small enough for a test."""

import hashlib


def makeself(content: bytes = b"payload") -> bytes:
    """Return a package whose header states size and MD5 of its content; running it does nothing."""
    lines = [
        "#!/bin/sh",
        "# This script was generated using Makeself 2.4.5",
        f'MD5="{hashlib.md5(content, usedforsecurity=False).hexdigest()}"',
        f'filesizes="{len(content)}"',
        'skip="6"',
        "exit 0",
    ]
    return "".join(f"{line}\n" for line in lines).encode() + content
