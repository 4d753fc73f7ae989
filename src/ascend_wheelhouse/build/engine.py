"""Runs a container engine's client, and kills the container when the client is killed.

A container is no child of the command that started it: killed with SIGKILL, as Ctrl-C does to a whole process group,
`docker run` and `podman run` leave it behind at work. A watcher in a session of its own waits for the end of this
process, which a pipe tells it, and kills the container by its name. Run as a program; standard library only.
"""

from __future__ import annotations

import os
import subprocess
import sys

_ENDED = b"1"


def main(engine: str, name: str, command: list[str]) -> int:
    """Run the client to its end and return its status.

    Args:
        engine: What kills the container.
        name: The container's name.
        command: The client's whole argument list.
    """
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(writing)
        _watch(reading, [engine, "kill", name])
    os.close(reading)
    status = subprocess.call(command)
    os.write(writing, _ENDED)
    return status if status >= 0 else 128 - status


def _watch(reading: int, kill: list[str]) -> None:
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    if os.read(reading, 1) != _ENDED:
        subprocess.call(kill)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
