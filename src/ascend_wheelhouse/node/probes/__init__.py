"""The probes: what each is called, what it needs and how far it may go.

A probe is one module with `run(context) -> Outcome`. It runs in a process of its own, so it may crash, hang
or eat memory without ending the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One entry of the catalogue.

    Args:
        name: As printed, and the module's name with `-` for `_`. markers: `cann`, `npu` and `multi_npu` are
        needs of the machine; `server` starts the real server; `host`
            probes read files only and run on the machine itself, never emulated.
        seconds: Its time limit; emulated runs get a multiple.
        memory: Its limit in bytes, over all its processes (proportional set size).
        stubs: It wants stand-in CANN libraries where there is no CANN.
        standins: It may use the stand-in modules for serving on a CPU.
        components: Distributions of which one must be there, or there is nothing to probe.
        serving: What the stack's serving file must name, or there is nothing to probe.
        without_cann: It says something only where there is no CANN.
        hardware: Why it cannot run on the software NPU, or empty.
        advice: What a person does when it does not pass; told with the verdict.
    """

    name: str
    markers: tuple[str, ...] = ()
    seconds: float = 120
    memory: int = 8 * GIB
    stubs: bool = False
    standins: bool = False
    components: tuple[str, ...] = ()
    serving: str = ""
    without_cann: bool = False
    hardware: str = ""
    advice: str = ""

    @property
    def module(self) -> str:
        """The module below `probes` that holds it."""
        return self.name.replace("-", "_")

    @property
    def on_device(self) -> bool:
        """Whether it needs an NPU."""
        return "npu" in self.markers or "multi_npu" in self.markers


_NPU = ("cann", "npu")

CATALOGUE: Sequence[Probe] = (
    Probe(name="versions", markers=("host",)),
    Probe(name="files", markers=("host",), seconds=300),
    Probe(name="requirements", seconds=60),
    Probe(name="imports", seconds=300, stubs=True),
    Probe(name="torch-cpu", components=("torch",)),
    Probe(name="torchvision-cpu", components=("torchvision",)),
    Probe(name="torch-npu-no-cann", without_cann=True, components=("torch-npu",)),
    Probe(name="torch-npu-stubs", stubs=True, without_cann=True, components=("torch-npu",)),
    Probe(name="serving-imports", seconds=300, stubs=True, standins=True, serving="imports"),
    Probe(name="host-settings", markers=("host",)),
    Probe(
        name="cann-versions",
        markers=("host", "cann"),
        advice="install.py --doctor tells how to install what the cell names; or take the wheelhouse for this chip",
    ),
    Probe(
        name="npu-smi",
        markers=("host", "npu"),
        advice="npu-smi info -t health -i NPU -c CHIP and dmesg tell more; leave it out until it is reset or replaced",
    ),
    Probe(
        name="npu-devices",
        markers=_NPU,
        components=("torch-npu",),
        advice="compare npu-smi info with /dev/davinci*, and read CANN's errors in the report; "
        "ASCEND_RT_VISIBLE_DEVICES leaves one out",
    ),
    Probe(
        name="npu-memory",
        markers=_NPU,
        seconds=300,
        components=("torch-npu",),
        advice="npu-smi info names the processes that hold memory: end them, or reset the device and run this again",
    ),
    Probe(
        name="npu-matmul",
        markers=_NPU,
        seconds=300,
        components=("torch-npu",),
        advice="the kernels must be this chip's and this CANN's (cann-versions); ASCEND_LAUNCH_BLOCKING=1 names one",
    ),
    Probe(
        name="npu-attention",
        markers=_NPU,
        seconds=300,
        components=("torch-npu",),
        advice="the fused kernel is in CANN's operator package: install that of this chip and this CANN anew",
    ),
    Probe(
        name="npu-graph",
        markers=_NPU,
        seconds=300,
        components=("torch-npu",),
        hardware="it does not capture graphs",
    ),
    Probe(
        name="npu-streams",
        markers=_NPU,
        components=("torch-npu",),
        advice="compare driver, firmware and CANN with the cell (cann-versions), then reset the device",
    ),
    Probe(
        name="npu-compile",
        markers=_NPU,
        seconds=600,
        memory=32 * GIB,
        components=("torch-npu",),
        hardware="it has no graph engine and no compiler of operators",
    ),
    Probe(
        name="triton-kernel",
        markers=_NPU,
        seconds=600,
        components=("triton-ascend",),
        hardware="BiSheng compiles for the chip, and nothing here executes its code",
    ),
    Probe(
        name="sgl-kernel-npu-ops",
        markers=_NPU,
        components=("sgl-kernel-npu",),
        hardware="the operators are the chip's machine code",
    ),
    Probe(
        name="custom-ops",
        markers=_NPU,
        components=("custom-ops",),
        hardware="the operators are the chip's machine code",
    ),
    Probe(
        name="memfabric",
        markers=_NPU,
        seconds=180,
        components=("mf-adapter", "memfabric-hybrid"),
        hardware="it moves bytes through the driver of real devices",
    ),
    Probe(
        name="hccl-all-reduce",
        markers=("cann", "multi_npu"),
        seconds=600,
        memory=128 * GIB,
        components=("torch-npu",),
        advice="hccn_tool -i N -link -g shows a link, HCCL_SOCKET_IFNAME names the card, the report has CANN's errors",
    ),
    Probe(
        name="deep-ep",
        markers=("cann", "multi_npu"),
        seconds=900,
        memory=128 * GIB,
        components=("deep-ep",),
        hardware="the operators are the chip's machine code",
    ),
    Probe(
        name="server",
        markers=("server",),
        seconds=1200,
        memory=64 * GIB,
        stubs=True,
        standins=True,
        components=("sglang",),
        hardware="its triton kernels need BiSheng, and its attention NNAL's operators",
    ),
    Probe(
        name="server-graph",
        markers=("cann", "npu", "server"),
        seconds=1800,
        memory=64 * GIB,
        components=("sglang",),
        hardware="it does not capture graphs",
        advice="the server probe says whether it serves without graphs; its log names the operator that no graph holds",
    ),
    Probe(
        name="server-pair",
        markers=("server",),
        seconds=1800,
        memory=64 * GIB,
        stubs=True,
        standins=True,
        components=("sglang-router",),
        hardware="its triton kernels need BiSheng, and its attention NNAL's operators",
        advice="memfabric says whether devices reach each other; both servers need the same ASCEND_MF_STORE_URL",
    ),
)


def named(name: str) -> Probe:
    """Return the probe of that name.

    Raises:
        KeyError: There is none.
    """
    return next(probe for probe in CATALOGUE if probe.name == name)
