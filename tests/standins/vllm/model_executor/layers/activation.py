"""SGLang's own activations, handed back to the module that asks vLLM for them."""

from sglang.srt.layers.activation import GeluAndMul as GeluAndMul
from sglang.srt.layers.activation import SiluAndMul as SiluAndMul
