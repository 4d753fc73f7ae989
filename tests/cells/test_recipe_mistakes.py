"""Every mistake in recipes, stacks, serving files and the table is told once, in one report, and nothing else is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
TORCH28 = "stacks/torch2.8.0-cann8.5.0.toml"
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
        "torch_npu[10].commit",
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
        "torch_npu[2].torch",
        "value",
        "that of the release: 2.10.0",
    ),
    Mistake(
        "compatibility.toml",
        '"7.1.0" = ["8.2"]',
        '"7.1.0" = ["8.2.RC1"]',
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


def planted(root: Path, mistakes: list[Mistake]) -> Path:
    """Return a project whose recipes are the committed ones with the mistakes put in."""
    shutil.copytree(ROOT / "recipes", root / "recipes")
    (root / "tasks.py").symlink_to(ROOT / "tasks.py")
    for mistake in mistakes:
        path = root / "recipes" / mistake.file
        text = path.read_text("utf-8")
        assert mistake.old in text, mistake
        path.write_text(text.replace(mistake.old, mistake.new, 1) if mistake.old else text, "utf-8")
    return root


def invoked(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `invoke` in a project as a user would."""
    command = [str(Path(sys.executable).parent / "invoke"), *words]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(root), "WHEELHOUSE_STORE": str(root / "store")}
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)


def test_every_planted_mistake_is_told_once_with_its_file_key_and_rule(tmp_path: Path) -> None:
    """Forty mistakes over eighteen files, among them a file that is no TOML: one report, and no line too many."""
    done = invoked(planted(tmp_path, MISTAKES), "recipes", "--json")
    assert done.returncode == 2, done.stderr
    told = {
        (one["file"], one["key"], one["rule"]): one["text"] for one in json.loads(done.stdout)["problems"]
    }
    wanted = {(f"recipes/{one.file}", one.key, one.rule): one.told for one in MISTAKES if one.told}
    assert len(wanted) >= 25
    assert told.keys() == wanted.keys()
    assert [place for place, text in wanted.items() if text not in told[place]] == []
    assert len(json.loads(done.stdout)["problems"]) == len(wanted)


@pytest.mark.parametrize(
    "words",
    [
        ["recipes"],
        ["plan"],
        ["lock"],
        ["fetch"],
        ["wheelhouse"],
        ["audit", "--", "x.whl"],
        ["build", "torch-npu"],
    ],
    ids=lambda words: words[0],
)
def test_every_command_that_reads_recipes_gives_the_whole_report(tmp_path: Path, words: list[str]) -> None:
    some = [one for one in MISTAKES if one.file in {"uv.toml", "pip.toml", TORCH28}]
    (tmp_path / "x.whl").write_bytes(b"")
    done = invoked(planted(tmp_path, some), *words[:1], "--json", *words[1:])
    assert done.returncode == 2, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert len(last["problems"]) == len(some)
    for problem in last["problems"]:
        assert f"{problem['file']}: {problem['key']}" in done.stderr


@pytest.mark.parametrize("name", ["torch-npu", "torch", "nnal"])
def test_one_bad_recipe_makes_one_line(tmp_path: Path, name: str) -> None:
    """Seven stacks and other recipes name it: none of them is to blame."""
    broken = Mistake(f"{name}.toml", f'name = "{name}"', f'name = "{name}', "", "syntax", "not TOML")
    done = invoked(planted(tmp_path, [broken]), "recipes", "--json")
    (problem,) = json.loads(done.stdout)["problems"]
    assert (problem["file"], problem["rule"]) == (f"recipes/{name}.toml", "syntax")


def test_a_stack_that_cannot_be_read_is_not_taken_for_a_missing_default(tmp_path: Path) -> None:
    broken = Mistake(
        "stacks/torch2.8.0-cann8.3.rc2.toml", "default = true", "default = yes", "", "syntax", "not TOML"
    )
    done = invoked(planted(tmp_path, [broken]), "recipes", "--json")
    (problem,) = json.loads(done.stdout)["problems"]
    assert problem["rule"] == "syntax"


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        (
            Mistake("stacks/torch2.8.0-cann8.3.rc2.toml", "default = true", "default = false", "", "", ""),
            "torch2.8.0-cann8.3.rc2, torch2.8.0-cann8.5.0 is the default for torch 2.8.0",
        ),
        (
            Mistake(TORCH28, "default = false", "default = true", "", "", ""),
            "torch2.8.0-cann8.3.rc2 is the default for torch 2.8.0 already",
        ),
    ],
)
def test_a_torch_version_has_one_default(tmp_path: Path, mistake: Mistake, told: str) -> None:
    done = invoked(planted(tmp_path, [mistake]), "recipes", "--json")
    (problem,) = json.loads(done.stdout)["problems"]
    assert problem["key"] == "default"
    assert told in problem["text"]
