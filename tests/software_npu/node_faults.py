"""What can be wrong with a software node, which probe sees it, and the words by which it is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SOON = 60.0
"""Seconds after which a probe of a node that hangs is given up."""


def write_version(pattern: str, version: str) -> Callable[[Path], None]:
    """Return what changes the version that an installed file tells."""

    def change(ascend: Path) -> None:
        (path,) = ascend.glob(pattern)
        path.write_text(re.sub(r"9\.1\.0", version, path.read_text(encoding="utf-8")), encoding="utf-8")

    return change


def remove(pattern: str) -> Callable[[Path], None]:
    """Return what takes a file away."""

    def change(ascend: Path) -> None:
        for path in ascend.glob(pattern):
            path.unlink()

    return change


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong.

    Args:
        name: As a test and the documentation call it.
        probe: The one that catches it.
        told: A regular expression that the verdict's evidence matches.
        verdict: What the probe comes to.
        setting: What switches it on in the driver's configuration, or empty.
        change: What changes the installed tree, given its folder.
        devices: How many the node has.
        identity: The chip's PCI id.
        seconds: The probe's limit of time where it has to be short; 0 for its own.
    """

    name: str
    probe: str
    told: str
    verdict: str = "failed"
    setting: str = ""
    change: Callable[[Path], None] | None = None
    devices: int = 2
    identity: str = "0xd803"
    seconds: float = 0.0


TOOLKIT = "cann/*-linux/ascend_toolkit_install.info"

FAULTS = (
    Fault(
        name="an older CANN",
        probe="cann-versions",
        change=write_version(TOOLKIT, "8.3.RC1"),
        told=r"cann: found 8\.3\.RC1, wanted >= 9\.1\.0.*install\.py --doctor",
    ),
    Fault(
        name="an older NNAL",
        probe="cann-versions",
        change=write_version("nnal/atb/latest/version.info", "8.2.RC1"),
        told=r"nnal: found 8\.2\.RC1, wanted >= 9\.1\.0",
    ),
    Fault(name="another chip", probe="cann-versions", identity="0xd802", told=r"chip: found 910b, wanted a3"),
    Fault(
        name="an NPU with an alarm",
        probe="npu-smi",
        setting="npu-smi-alarm@1",
        told=r"NPU 0 chip 1 \(Ascend910, device 1\) is Alarm; next: npu-smi info -t health",
    ),
    Fault(
        name="memory errors that could not be corrected",
        probe="npu-smi",
        setting="ecc-double-bit@3",
        devices=4,
        told=r"NPU 1 chip 1 has 3 memory errors.*have it replaced",
    ),
    Fault(
        name="a card that npu-smi does not list",
        probe="npu-smi",
        setting="npu-smi-misses-one",
        devices=4,
        told=r"npu-smi lists 2 NPUs, /dev has 4",
    ),
    Fault(
        name="a driver that is not loaded",
        probe="npu-smi",
        setting="driver-not-loaded",
        told=r"ended with status 1: dcmi module initialize failed",
    ),
    Fault(
        name="fewer devices than /dev has",
        probe="npu-devices",
        setting="fewer-devices=1",
        told=r"sees 1 devices, 2 are in /dev and not hidden by ASCEND_RT_VISIBLE_DEVICES",
    ),
    Fault(
        name="the name of another chip",
        probe="npu-devices",
        setting="wrong-soc=Ascend910B3",
        told=r"the wheelhouse is for a3, the devices are Ascend910B3",
    ),
    Fault(
        name="a chip that torch_npu does not know",
        probe="npu-devices",
        setting="wrong-soc=Ascend999",
        told=r"the wheelhouse is for a3, the devices are Ascend999",
    ),
    Fault(
        name="a device that does not open",
        probe="npu-devices",
        setting="device-unhealthy@1",
        told=r"507033; EE9999: .*device 1 is unhealthy.*next: compare npu-smi info",
    ),
    Fault(
        name="a runtime that does not start",
        probe="npu-devices",
        setting="init-fails",
        told=r"the driver does not answer.*next: compare npu-smi",
    ),
    Fault(
        name="one device that adds wrongly",
        probe="npu-devices",
        setting="wrong-add@1",
        told=r"npu:1 cannot add",
    ),
    Fault(
        name="one device that sums wrongly",
        probe="npu-devices",
        setting="wrong-sum@1",
        told=r"npu:1 cannot add",
    ),
    Fault(
        name="a missing operator library",
        probe="npu-devices",
        change=remove("cann/lib64/libopapi.so"),
        told=r"next: ",
    ),
    Fault(
        name="a missing HCCL library",
        probe="npu-devices",
        change=remove("cann/lib64/libhccl.so"),
        told=r"libhccl\.so",
    ),
    Fault(
        name="half of the memory",
        probe="npu-memory",
        setting="half-memory",
        told=r"npu:0 has 32 GiB, a device of a3 has more than 60",
    ),
    Fault(
        name="memory that something holds",
        probe="npu-memory",
        setting="memory-taken@0",
        told=r"6\.4 of 64 GiB free: something holds the rest; next: npu-smi info names the processes",
    ),
    Fault(
        name="memory of another device that something holds",
        probe="npu-memory",
        setting="memory-taken@1",
        told=r"npu:1 has 6\.4 of 64 GiB free: something holds the rest; next: npu-smi info names the processes",
    ),
    Fault(
        name="a leak",
        probe="npu-memory",
        setting="memory-leak",
        told=r"31\.5 GiB of npu:0's memory are not given back",
    ),
    Fault(
        name="an allocation that is refused",
        probe="npu-memory",
        setting="malloc-fails=2",
        told=r"NPU out of memory.*next: npu-smi info names",
    ),
    Fault(
        name="a fill that misses the end",
        probe="npu-memory",
        setting="fill-misses-end",
        told=r"reads back different",
    ),
    Fault(
        name="a result that is not a number",
        probe="npu-matmul",
        setting="matmul-nan@0",
        told=r"float32: 1 of 1048576 results are not finite",
    ),
    Fault(
        name="a result of another device that is not a number",
        probe="npu-matmul",
        setting="matmul-nan@1",
        told=r"npu:1, float32: 1 of 1048576 results are not finite",
    ),
    Fault(
        name="a product that drops terms",
        probe="npu-matmul",
        setting="matmul-drops-terms",
        told=r"float32: relative error .* is above the tolerance 1e-03",
    ),
    Fault(
        name="a product that is wrong in one type",
        probe="npu-matmul",
        setting="matmul-bfloat16-wrong",
        told=r"bfloat16: relative error",
    ),
    Fault(
        name="a product that is zero",
        probe="npu-matmul",
        setting="matmul-zero",
        told=r"relative error 1\.00e\+00",
    ),
    Fault(
        name="a kernel that crashes",
        probe="npu-matmul",
        setting="matmul-crashes",
        verdict="crashed",
        told=r"killed by SIGSEGV while it was at: matmul in float32 on npu:0; next: the kernels must be",
    ),
    Fault(
        name="a copy to the device that drops bytes",
        probe="npu-matmul",
        setting="copy-in-drops-bytes",
        told=r"float32: relative error",
    ),
    Fault(
        name="a copy from the device that drops bytes",
        probe="npu-matmul",
        setting="copy-out-drops-bytes",
        told=r"float32: ",
    ),
    Fault(
        name="an exception of an AI core",
        probe="npu-matmul",
        setting="kernel-exception@0",
        told=r"507015.*next: the kernels must be",
    ),
    Fault(
        name="an attention kernel that is missing",
        probe="npu-attention",
        setting="operator-missing=aclnnFlashAttentionScore",
        told=r"aclnnFlashAttentionScore has no kernel for this chip.*next: the fused kernel is in CANN",
    ),
    Fault(
        name="attention that is not a number",
        probe="npu-attention",
        setting="attention-nan",
        told=r"results are not finite",
    ),
    Fault(
        name="attention of another device that is not a number",
        probe="npu-attention",
        setting="attention-nan@1",
        told=r"npu:1, plain, bfloat16: \d+ of \d+ results are not finite",
    ),
    Fault(
        name="attention that looks ahead",
        probe="npu-attention",
        setting="attention-ignores-mask",
        told=r"bfloat16: relative error",
    ),
    Fault(
        name="attention with another scale",
        probe="npu-attention",
        setting="attention-scale-wrong",
        told=r"bfloat16: relative error",
    ),
    Fault(
        name="a synchronisation that hangs",
        probe="npu-streams",
        setting="synchronize-hangs",
        verdict="timed-out",
        seconds=SOON,
        told=r"no answer within 60 s while it was at: .*; next: compare driver",
    ),
    Fault(
        name="an event that never completes",
        probe="npu-streams",
        setting="event-never-completes",
        verdict="timed-out",
        seconds=SOON,
        told=r"while it was at: two streams in turn on npu:0; next: compare driver",
    ),
    Fault(
        name="streams that do not wait",
        probe="npu-streams",
        setting="stream-order-ignored",
        told=r"40 additions over two streams gave|events measured",
    ),
    Fault(
        name="a clock that runs backwards",
        probe="npu-streams",
        setting="event-time-backwards",
        told=r"events measured -\d",
    ),
    Fault(
        name="a wrong sum over the devices",
        probe="hccl-all-reduce",
        setting="hccl-wrong-sum",
        told=r"the sum is 0\.0 to 3\.0, not 3",
    ),
    Fault(
        name="a rank that is lost",
        probe="hccl-all-reduce",
        setting="hccl-rank-lost=1",
        told=r"rank \d of 2 .*next: hccn_tool",
    ),
    Fault(
        name="a rank that hangs",
        probe="hccl-all-reduce",
        setting="hccl-rank-hangs=1",
        verdict="timed-out",
        seconds=SOON,
        told=r"while it was at: all-reduce over 2 devices, then a message around; next: hccn_tool",
    ),
    Fault(
        name="a message that arrives changed",
        probe="hccl-all-reduce",
        setting="hccl-message-changed",
        told=r"1 of 1048576 numbers of the message from rank \d arrived changed; next: hccn_tool",
    ),
    Fault(
        name="no network card for HCCL",
        probe="hccl-all-reduce",
        setting="hccl-no-network",
        told=r"rank \d of 2 .*HCCL_SOCKET_IFNAME",
    ),
)
