"""MemFabric's transfer engine between processes of one machine: the calls that SGLang makes of it, over loopback TCP.

Names and signatures are those that SGLang 0.5.6.post2 uses (srt/disaggregation/ascend/transfer_engine.py,
mooncake/transfer_engine.py and managers/disagg_service.py). It moves real bytes from one server's cache into the
other's, and refuses what neither side has registered. A file `fault` beside this one that says `drop` has it tell that
it moved the bytes and not do so.
"""

from __future__ import annotations

import ctypes
import enum
import socket
import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

_HEAD = struct.Struct("!QQ")
_DONE, _REFUSED = b"\x00", b"\x01"
_FAULT = Path(__file__).with_name("fault")
_STORES: list[socket.socket] = []


def create_config_store(url: str) -> None:
    """Listen where the sides of all servers find each other; the first prefill server calls it."""
    place = urlsplit(url)
    _STORES.append(socket.create_server((place.hostname or "", place.port or 0)))


def _is_a_store(url: str) -> bool:
    place = urlsplit(url)
    try:
        socket.create_connection((place.hostname or "", place.port or 0), timeout=60).close()
    except OSError:
        return False
    return place.scheme == "tcp"


class TransferEngine:
    """One side of the transfer: it has a port, registered memory, and writes into the memory of others."""

    class TransDataOpType(enum.Enum):
        """How devices would move the bytes."""

        SDMA = 0
        DEVICE_RDMA = 1

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._regions: list[tuple[int, int]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def get_rpc_port(self) -> int:
        """Return the port that the other side writes to."""
        return int(self._listener.getsockname()[1])

    def initialize(self, store: str, session: str, role: str, device: int, kind: TransDataOpType) -> int:
        """Take the names of this side; 0 when they are what the real one needs."""
        sound = _is_a_store(store) and role in {"Prefill", "Decode"} and device >= 0
        return 0 if sound and session.endswith(f":{self.get_rpc_port()}") and kind in type(kind) else -1

    def batch_register_memory(self, addresses: Sequence[int], lengths: Sequence[int]) -> int:
        """Let memory be read from and written to."""
        self._regions += list(zip(addresses, lengths, strict=True))
        return 0

    def transfer_sync_write(self, session: str, source: int, target: int, length: int) -> int:
        """Write one block into the other side's memory; 0 when it is there, negative when it is not."""
        return self.batch_transfer_sync_write(session, [source], [target], [length])

    def batch_transfer_sync_write(
        self, session: str, sources: Sequence[int], targets: Sequence[int], lengths: Sequence[int]
    ) -> int:
        """Write blocks into the other side's memory; 0 when all are there, negative when one is not."""
        port = int(session.rpartition(":")[2])
        if _FAULT.is_file() and _FAULT.read_text(encoding="ascii") == "drop":
            return 0
        with socket.create_connection(("127.0.0.1", port)) as line:
            for source, target, length in zip(sources, targets, lengths, strict=True):
                if not self._holds(source, length):
                    return -1
                line.sendall(_HEAD.pack(target, length) + ctypes.string_at(source, length))
                if line.recv(1) != _DONE:
                    return -1
        return 0

    def _holds(self, address: int, length: int) -> bool:
        return any(start <= address and address + length <= start + size for start, size in self._regions)

    def _accept(self) -> None:
        while True:
            line, _ = self._listener.accept()
            threading.Thread(target=self._receive, args=(line,), daemon=True).start()

    def _receive(self, line: socket.socket) -> None:
        with line, line.makefile("rb") as stream:
            while head := stream.read(_HEAD.size):
                address, length = _HEAD.unpack(head)
                block = stream.read(length)
                held = len(block) == length and self._holds(address, length)
                if held:
                    ctypes.memmove(address, block, length)
                line.sendall(_DONE if held else _REFUSED)
