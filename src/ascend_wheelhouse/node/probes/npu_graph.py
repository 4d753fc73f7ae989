"""NPUGraph: work is captured once and replayed on new input (what SGLang's decode does with graphs on)."""

from __future__ import annotations

from .api import Context, Outcome, ProbeFailedError
from .device import compare, torch_on_npu


def run(context: Context) -> Outcome:
    """Capture a small chain, replay it on other values."""
    torch = torch_on_npu(context)
    if not hasattr(torch.npu, "NPUGraph"):
        raise ProbeFailedError("this torch_npu has no NPUGraph: start servers with --disable-cuda-graph")
    weight = torch.randn(128, 128, generator=torch.Generator().manual_seed(3))
    fixed = torch.zeros(16, 128, device="npu")
    on_device = weight.npu()
    context.doing("warm-up on a side stream")
    side = torch.npu.Stream()
    side.wait_stream(torch.npu.current_stream())
    with torch.npu.stream(side):
        torch.relu(fixed @ on_device)
    torch.npu.current_stream().wait_stream(side)
    context.doing("capture")
    graph = torch.npu.NPUGraph()
    with torch.npu.graph(graph):
        result = torch.relu(fixed @ on_device)
    error = 0.0
    for turn in range(3):
        context.doing(f"replay {turn}")
        fresh = torch.randn(16, 128, generator=torch.Generator().manual_seed(turn))
        fixed.copy_(fresh)
        graph.replay()
        torch.npu.synchronize()
        error = max(error, compare(result, torch.relu(fresh.double() @ weight.double()), "float32"))
    return Outcome(evidence=f"captured once, replayed three times, worst relative error {error:.1e}")
