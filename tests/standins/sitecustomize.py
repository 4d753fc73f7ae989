"""Three repairs at import time, for a CPU server only; see README.md beside this file."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import ClassVar

_KEPT: list[object] = []


def _declare_torchvision_operators() -> None:
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in (
        "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    ):
        library.define(schema)
    _KEPT.append(library)


def _after_torchvision_extension(module: ModuleType) -> None:
    if not module._has_ops():
        _declare_torchvision_operators()


def _after_triton_driver(module: ModuleType) -> None:
    from triton.backends import backends

    class Idle(backends["ascend"].driver):  # type: ignore[misc]
        """A driver that compiles nothing: it only answers which target it is for."""

        def __init__(self) -> None:
            pass

        def get_current_target(self) -> object:
            from triton.backends.compiler import GPUTarget

            return GPUTarget("npu", "Ascend910_9382", 0)

        def get_benchmarker(self) -> Callable[..., float]:
            return lambda *_args, **_options: 0.0

    module.driver.set_active(Idle())


def _after_sglang_utils(module: ModuleType) -> None:
    """Let SGLang from 0.5.10 on serve on the CPU beside torch_npu, as 0.5.6 does: it ends where no NPU is seen."""
    of_sglang = module.is_npu

    @functools.lru_cache(maxsize=1)
    def is_npu() -> bool:
        try:
            return bool(of_sglang())
        except RuntimeError:
            return False

    module.is_npu = is_npu  # type: ignore[attr-defined]


class _Afterwards(Loader):
    """Runs the module's own loader, then the repair."""

    def __init__(self, loader: Loader, repair: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._repair = repair

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._repair(module)


class _Repairs(MetaPathFinder):
    """Finds these modules as Python would, and hands back a loader that repairs them."""

    repairs: ClassVar = {
        "torchvision.extension": _after_torchvision_extension,
        "triton.runtime.driver": _after_triton_driver,
        "sglang.srt.utils.common": _after_sglang_utils,
    }

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self.repairs:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Afterwards(spec.loader, self.repairs[name])
        return spec


sys.meta_path.insert(0, _Repairs())
