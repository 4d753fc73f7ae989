"""Mistakes to plant in the committed recipes, stacks, serving files and the table, each with how it must be told."""

from __future__ import annotations

from typing import NamedTuple

TORCH28 = "stacks/torch2.8.0-cann8.5.0.toml"
TORCH27 = "stacks/torch2.7.1-cann8.5.0.toml"
SERVING = "serving/sglang-0.5.6.toml"


class Mistake(NamedTuple):
    """One planted mistake: what stands in the file, what is put there, and how it must be told."""

    file: str
    old: str
    new: str
    key: str
    rule: str
    told: str


MISTAKES = [
    Mistake(
        "uv.toml",
        'summary = "Installer',
        'sumary = "Installer',
        "sumary",
        "unknown-key",
        "did you mean summary?",
    ),
    Mistake("uv.toml", 'kind = "tool"', 'kind = "tol"', "kind", "choice", "'wheel', 'payload' or 'tool'"),
    Mistake("uv.toml", "MIT OR Apache-2.0", " ", "licence", "value", "a text that is not empty"),
    Mistake(
        "uv.toml", "optional = true", 'optional = "yes"', "optional", "type", "true or false, without quotes"
    ),
    Mistake(
        "nnal.toml", 'name = "nnal"', 'name = "nnaal"', "name", "value", 'must be the file\'s name "nnal"'
    ),
    Mistake(
        "custom-ops.toml",
        "chip_specific = true",
        'chip_specific = "yes"',
        "chip_specific",
        "type",
        'is "yes"',
    ),
    Mistake("bisheng.toml", '["aarch64"]', '["arm64"]', "platforms[1]", "choice", "'aarch64' or 'x86_64'"),
    Mistake(
        "custom-ops.toml", '"torch-npu", ', '"torch-nqu", ', "needs[2]", "reference", "no recipe is called"
    ),
    Mistake(
        "custom-ops.toml",
        "{file} where",
        "{chip}.whl where",
        "supply",
        "value",
        'unknown field "chip"',
    ),
    Mistake(
        "torch.toml",
        'local = "cpu"\nwhen = { machine = "x86_64" }',
        'local = "cpu"\nwhen = { machin = "x86_64" }',
        "origins[1] (extra-index).when.machin",
        "value",
        "no cell has this field",
    ),
    Mistake(
        "torch.toml",
        'index"\nwhen = { machine = "aarch64", torch = "<2.11" }',
        'index"\nwhen = { machine = "arm", torch = "<<2" }',
        "origins[2] (index).when.machine",
        "value",
        "allowed are aarch64, x86_64",
    ),
    Mistake("torch.toml", "", "", "origins[2] (index).when.torch", "value", "must be a version range"),
    Mistake(
        "torch.toml",
        'whl/cpu"\nlocal = "cpu"\nwhen = { machine = "aarch64", torch = ">=2.11" }',
        'whl/cpu"\nlocal = 5\nwhen = { machine = "aarch64", torch = ">=2.11" }',
        "origins[3] (extra-index).local",
        "type",
        "a string in quotes",
    ),
    Mistake(
        "torch.toml",
        'kind = "file"',
        'kind = "fil"',
        "origins[5] (fil).kind",
        "choice",
        "'index', 'extra-index'",
    ),
    Mistake(
        "torchvision.toml",
        'url = "https://download.pytorch.org/whl/cpu"\nlocal = "cpu"\nwhen = { machine = "x86_64" }',
        'local = "cpu"\nwhen = { machine = "x86_64" }',
        "origins[1] (extra-index).url",
        "missing-key",
        "a required key is missing",
    ),
    Mistake(
        "torchvision.toml",
        'owns = ["torchvision"]',
        'owns = ["torchvision", "TORCHVISION"]',
        "owns[2]",
        "twice",
        '"TORCHVISION" stands twice',
    ),
    Mistake(
        "triton-ascend.toml",
        'requirement = "pybind11"',
        'requirement = "pybind11 >>"',
        "undeclared[1].requirement",
        "value",
        "a requirement such as",
    ),
    Mistake(
        "triton-ascend.toml",
        'action = "install-last"',
        'action = "symlink"',
        "post_install[1].path",
        "value",
        "a path below its folder",
    ),
    Mistake("triton-ascend.toml", "", "", "post_install[1].target", "value", "a path below its folder"),
    Mistake(
        "torch-npu.toml",
        'ref = "{release}"',
        'ref = "{brunch}"',
        "origins[3] (git).ref",
        "value",
        'unknown field "brunch"',
    ),
    Mistake(
        "torch-npu.toml",
        "memory_mb = 3072",
        'memory_mb = "3072"',
        "build.memory_mb",
        "type",
        "a whole number",
    ),
    Mistake(
        "torch-npu.toml",
        'requirements = ["nanobind>=2.9"]',
        'requirements = ["nanobind>=>2.9"]',
        "build.variants[5].requirements[1]",
        "value",
        "a requirement such as",
    ),
    Mistake("torch-npu.toml", "f959f5df", "F959f5df", "build.downloads[1].sha256", "value", "64 digits"),
    Mistake(
        "deep-ep.toml",
        '"{module}", "{soc}"]]',
        '"{modul}", "{soc}"]]',
        "build.steps[1][4]",
        "value",
        "{modul} has no value",
    ),
    Mistake(
        "sgl-kernel-npu.toml",
        "find = '-j ?(16|8)\\b'",
        "find = '-j ?(16|8\\b'",
        "build.edits[3].find",
        "value",
        "a regular expression",
    ),
    Mistake(
        "sgl-kernel-npu.toml",
        'gcc = ">=11,<15"',
        'gc = ">=11,<15"',
        "build.toolchain.gc",
        "unknown-key",
        "allowed are 'gcc'",
    ),
    Mistake(
        "sglang.toml",
        '"packaging==25.0"',
        '"packaging>=25.0"',
        "build.requirements[4]",
        "value",
        "an exact pin",
    ),
    Mistake("pip.toml", 'kind = "tool"', 'kind = "tool', "", "syntax", "not TOML"),
    Mistake(
        TORCH27,
        'torch-npu = "2.7.1.post2"',
        'torch-npu = "2.8.0.post2"',
        "components.torch-npu",
        "value",
        "is for torch 2.8.0, and the stack's is 2.7.1",
    ),
    Mistake(
        TORCH27,
        'torchvision = "0.22.1"',
        'torchvision = "0.23.0"',
        "components.torchvision",
        "value",
        'that of torch 2.7.1 is "0.22.1"',
    ),
    Mistake(
        "stacks/torch2.10.0-cann9.1.0.toml",
        'torchaudio = "2.10.0"',
        'torchaudio = "2.8.0"',
        "optional.torchaudio",
        "value",
        "and the stack's torch is 2.10.0",
    ),
    Mistake(
        TORCH27,
        'name = "torch2.7.1-cann8.5.0"',
        'name = "torch2.7-cann8.5.0"',
        "name",
        "value",
        "must be the file's name",
    ),
    Mistake(TORCH28, 'cann = "8.5.0"', 'cann = "nonsense"', "cann", "value", "a CANN version such as"),
    Mistake(TORCH28, 'npus = ["a3", "910b"]', 'npus = ["a3", "a3"]', "npus[2]", "twice", '"a3" stands twice'),
    Mistake(
        TORCH28,
        'torchvision = "0.23.0"',
        "torchvision = 0.23",
        "components.torchvision",
        "type",
        "a string in quotes",
    ),
    Mistake(
        TORCH28,
        'triton-ascend = "3.2.0"',
        'triton-ascent = "3.2.0"',
        "components.triton-ascent",
        "reference",
        "did you mean triton-ascend?",
    ),
    Mistake(
        TORCH28,
        'serving = "sglang-0.5.6"',
        'serving = "sglang-0.5.7"',
        "serving",
        "reference",
        "allowed are sglang-0.5.10, sglang-0.5.6",
    ),
    Mistake(
        "stacks/torch2.9.0-cann8.5.0.toml",
        'torch-npu = "2.9.0"',
        'torch-npu = "two"',
        "components.torch-npu",
        "value",
        "a version such as",
    ),
    Mistake(
        "stacks/torch2.9.0-cann8.5.0.toml",
        'cann-toolkit = "8.5.0"',
        'cann-toolkit = "8.3.RC2"',
        "components.cann-toolkit",
        "value",
        'must be the stack\'s cann "8.5.0"',
    ),
    Mistake(
        SERVING,
        'TASK_QUEUE_ENABLE = "1"',
        "TASK_QUEUE_ENABLE = 1",
        "environment.TASK_QUEUE_ENABLE",
        "type",
        "a string in quotes",
    ),
    Mistake(
        SERVING,
        "[topologies.a3.tp16-deepep]",
        "[topologies.a4.tp16-deepep]",
        "topologies.a4",
        "unknown-key",
        "allowed are 'all', 'a3', '910b' or '950'",
    ),
    Mistake(
        SERVING,
        '"{dist_init_addr}"',
        '"{first_node}"',
        "topologies.a3.deepseek-w8a8-decode-2-nodes.arguments[12]",
        "value",
        "has {first_node}, allowed are base_gpu_id, bootstrap_port, decode, dist_init_addr",
    ),
    Mistake(
        "compatibility.toml",
        'commit = "729dda3516b997462560a1e12b06a8efb9288494"',
        'commit = "729dda35"',
        "torch_npu[23].commit",
        "value",
        "a commit's full id: 40 digits and small letters a to f",
    ),
    Mistake(
        "sgl-kernel-npu.toml",
        'wheel_version = "2026.6.1"',
        'wheel_version = "one"',
        "build.variants[4].wheel_version",
        "value",
        "must be a version such as 2.8.0",
    ),
    Mistake(
        "compatibility.toml",
        'version = "2.10.0.post4"\ntorch = "2.10.0"',
        'version = "2.10.0.post4"\ntorch = "2.1.0"',
        "torch_npu[15].torch",
        "value",
        "that of the release: 2.10.0",
    ),
    Mistake(
        "compatibility.toml",
        '"7.1.0" = ["8.3", ',
        '"7.1.0" = ["8.2.RC1", ',
        'backward."7.1.0"[1]',
        "value",
        "a CANN line such as",
    ),
    Mistake(
        "stacks/torch2.9.0-cann8.5.0.toml",
        'sglang = "0.5.6.post2"\n',
        "",
        "components.sglang",
        "missing-key",
        "every stack names",
    ),
    Mistake(
        "mf-adapter.toml",
        'owns = ["mf-adapter"]',
        'owns = ["mf-adapter", "MemFabric_Hybrid"]',
        "owns[2]",
        "twice",
        "'memfabric-hybrid' is owned by memfabric-hybrid already",
    ),
    Mistake(
        "memfabric-hybrid.toml",
        'imports = ["memfabric',
        'needs = ["memfabric-hybrid"]\nimports = ["memfabric',
        "needs",
        "value",
        "a cycle: memfabric-hybrid -> memfabric-hybrid",
    ),
]
