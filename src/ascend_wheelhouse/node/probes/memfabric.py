"""MemFabric's transfer engine imports, and two engines on this node move bytes between two devices.

The calls are those of SGLang's Ascend transfer engine (srt/disaggregation/ascend/transfer_engine.py).
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from ..serving.server_process import free_port
from .api import Context, Outcome, ProbeFailedError
from .device import Span, in_ranks, join_group, say

_SIZE = 1 << 20


def run(context: Context) -> Outcome:
    """Import, then prefill (rank 0) writes into decode's (rank 1's) memory."""
    name = _module_name(context.wheels())
    context.doing(f"import {name}")
    engine = importlib.import_module(name).TransferEngine()
    port = str(engine.get_rpc_port())
    context.doing("a transfer between two local devices")
    count = min(2, int(context.options.get("devices", 1)))
    settings = {"VERIFY_STORE": f"tcp://127.0.0.1:{free_port()}", "VERIFY_MODULE": name}
    in_ranks("memfabric", Span(devices=count), settings)
    return Outcome(evidence=f"{name}: {_SIZE >> 10} KiB written from npu:0 to npu:1 (first rpc port {port})")


def _module_name(wheels: dict[str, str]) -> str:
    return "mf_adapter" if "mf-adapter" in wheels else "memfabric_hybrid"


def rank(number: int, count: int) -> None:
    """One side of the transfer; addresses travel over a gloo-free HCCL gather."""
    torch = join_group(number, count)
    library = importlib.import_module(os.environ["VERIFY_MODULE"])
    if number == 0:
        library.create_config_store(os.environ["VERIFY_STORE"])
    torch.distributed.barrier()
    engine = library.TransferEngine()
    session = f"127.0.0.1:{engine.get_rpc_port()}"
    role = "Prefill" if number == 0 else "Decode"
    kind = library.TransferEngine.TransDataOpType.SDMA
    _check(engine.initialize(os.environ["VERIFY_STORE"], session, role, number, kind), "initialize")
    block = torch.full((_SIZE,), 5 if number == 0 else 0, dtype=torch.uint8, device=f"npu:{number}")
    _check(engine.register_memory(block.data_ptr(), _SIZE), "register_memory")
    peers: list[Any] = [None] * count
    torch.distributed.all_gather_object(peers, (session, block.data_ptr()))
    torch.distributed.barrier()
    if number == 0:
        target, address = peers[1]
        _check(engine.transfer_sync_write(target, block.data_ptr(), address, _SIZE), "transfer_sync_write")
    torch.distributed.barrier()
    if number == 1 and not bool((block == 5).all()):
        raise ProbeFailedError("the bytes did not arrive")
    say(ok=number)


def _check(status: int, what: str) -> None:
    if status != 0:
        raise ProbeFailedError(f"{what} ended with {status}: CANN and the host's driver may not match")
