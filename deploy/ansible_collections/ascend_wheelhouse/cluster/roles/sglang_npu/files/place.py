"""Writes its standard input to the file that is named, in a folder that all may read; prints whether that was new."""

import json
import os
import sys
from pathlib import Path

MODE = 0o755

path = Path(sys.argv[1])
text = sys.stdin.buffer.read()
os.umask(0o022)
changed = not path.parent.is_dir()
path.parent.mkdir(parents=True, exist_ok=True)
if path.parent.stat().st_mode & 0o7777 != MODE:
    path.parent.chmod(MODE)
    changed = True
if not path.is_file() or path.read_bytes() != text or path.stat().st_mode & 0o7777 != MODE:
    new = path.with_suffix(".new")
    new.write_bytes(text)
    new.chmod(MODE)
    new.replace(path)
    changed = True
print(json.dumps({"changed": changed}))
