"""SGLang's own norms, handed back to the module that asks vLLM for them."""

from sglang.srt.layers.layernorm import GemmaRMSNorm as GemmaRMSNorm
from sglang.srt.layers.layernorm import RMSNorm as RMSNorm
