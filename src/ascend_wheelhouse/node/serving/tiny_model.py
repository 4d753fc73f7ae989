"""A Llama of two layers with random weights and its tokenizer, made on the spot, and its reference answer.

Run by the interpreter under test: `tiny_model.py make FOLDER` and `tiny_model.py reference FOLDER IDS
COUNT`. The weights are seeded and the head is scaled up, so that greedy tokens are decided by wide margins
and bfloat16 rounding on different machines cannot change them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

VOCABULARY = 384
CONTEXT = 512
_HIDDEN, _INNER, _HEADS, _LAYERS = 256, 512, 4, 2
_HEAD_SCALE = 24.0
_SEED = 20251122
_CORPUS = (
    "the wheelhouse holds every wheel that the node will need",
    "a probe that cannot run says what would let it run",
    "one two three four five six seven eight nine ten",
)
_CHAT = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def configuration() -> dict[str, Any]:
    """Return what `config.json` says."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": VOCABULARY,
        "hidden_size": _HIDDEN,
        "intermediate_size": _INNER,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": _HEADS,
        "num_key_value_heads": _HEADS,
        "head_dim": _HIDDEN // _HEADS,
        "hidden_act": "silu",
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }


def shapes() -> dict[str, tuple[int, ...]]:
    """Return every tensor of the model and its shape."""
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCABULARY, _HIDDEN)}
    for layer in range(_LAYERS):
        prefix = f"model.layers.{layer}"
        found |= {f"{prefix}.self_attn.{name}_proj.weight": (_HIDDEN, _HIDDEN) for name in "qkvo"}
        found |= {f"{prefix}.mlp.{name}_proj.weight": (_INNER, _HIDDEN) for name in ("gate", "up")}
        found[f"{prefix}.mlp.down_proj.weight"] = (_HIDDEN, _INNER)
        found |= {f"{prefix}.{name}_layernorm.weight": (_HIDDEN,) for name in ("input", "post_attention")}
    return found | {"model.norm.weight": (_HIDDEN,), "lm_head.weight": (VOCABULARY, _HIDDEN)}


def make(folder: Path) -> None:
    """Write the model and its tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "config.json", configuration())
    _write(folder / "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2, "do_sample": False})
    _write_weights(folder)
    _write_tokenizer(folder)


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True), encoding="utf-8")


def _write_weights(folder: Path) -> None:
    import torch
    from safetensors.torch import save_file

    source = torch.Generator().manual_seed(_SEED)
    tensors = {}
    for name, shape in shapes().items():
        scale = _HEAD_SCALE if name == "lm_head.weight" else 1.0
        values = (
            torch.ones(shape)
            if len(shape) == 1
            else torch.randn(shape, generator=source) * scale * shape[-1] ** -0.5
        )
        tensors[name] = values.to(torch.bfloat16)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _write_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))  # noqa: S106 - a token of text, not of access
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_CORPUS, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    _write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<s>",
            "eos_token": "</s>",
            "unk_token": "<unk>",
            "model_max_length": CONTEXT,
            "chat_template": _CHAT,
            "clean_up_tokenization_spaces": False,
        },
    )


def reference(folder: Path, ids: list[int], count: int) -> list[int]:
    """Return the `count` tokens that transformers chooses greedily on the CPU."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="eager")
    prompt = torch.tensor([ids])
    with torch.no_grad():
        found = model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=count,
            min_new_tokens=count,
            do_sample=False,
            pad_token_id=0,
        )
    return [int(token) for token in found[0][len(ids) :]]


def main(arguments: list[str]) -> int:
    """Make the model, or print the reference answer as one line of JSON."""
    folder = Path(arguments[1])
    if arguments[0] == "make":
        make(folder)
    else:
        tokens = reference(folder, json.loads(arguments[2]), int(arguments[3]))
        print("\n" + json.dumps({"tokens": tokens}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
