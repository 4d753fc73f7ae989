"""A project folder in miniature: recipes, one stack, an index on the loopback, and an sdist with a tiny backend."""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from index_server import Index

ROOT = Path(__file__).parents[2]
_BACKEND = """
import zipfile
def get_requires_for_build_wheel(config_settings=None): return []
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    import tomllib
    project = tomllib.load(open("pyproject.toml", "rb"))["project"]
    name = f"sglang-{project['version']}-py3-none-any.whl"
    info = f"sglang-{project['version']}.dist-info"
    needs = "".join(f"Requires-Dist: {line}\\n" for line in project["dependencies"])
    files = {
        "sglang/__init__.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\\nName: sglang\\nVersion: {project['version']}\\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: tiny\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{info}/RECORD": "".join(f"{path},,\\n" for path in ("sglang/__init__.py", f"{info}/RECORD")),
    }
    with zipfile.ZipFile(f"{wheel_directory}/{name}", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return name
"""
_SMALL = """name = "{name}"
summary = "small"
licence = "MIT"
distribution = "{name}"
owns = ["{name}"]
imports = ["{module}"]
files = ["{module}-*.whl"]
{more}
[[origins]]
kind = "index"

[[origins]]
kind = "file"
"""
_SGLANG = """name = "sglang"
summary = "small"
licence = "MIT"
distribution = "sglang"
owns = ["sglang"]

[[origins]]
kind = "sdist"

[build]
backend = "pep517"
pure = true
requirements = ["tinybuild==1.0"]
distributions = ["sglang"]
local_version = "npu"

[build.project_file]
files = ["pyproject_npu.toml"]
extra = "srt_npu"
"""
_NNAL = """name = "nnal"
summary = "small"
licence = "MIT"
kind = "payload"
files = ["Ascend-cann-nnal_*.run"]
supply = "`invoke vendor FILE`"

[[origins]]
kind = "url"
url = "http://127.0.0.1:9/Ascend-cann-nnal_{version}_linux-{machine}.run"

[[origins]]
kind = "file"
"""
_STACK = """name = "torch2.8.0-cann8.5.0"
summary = "small"
default = true
cann = "8.5.0"
platforms = ["aarch64", "x86_64"]
npus = ["a3", "910b"]
serving = "small"
sources = ["a test"]

[components]
sglang = "1.0"
torch = "2.8.0"
torchvision = "0.23.0"
torch-npu = "2.8.0.post2"
triton-ascend = "3.2.0"
nnal = "8.5.0"
"""
_TABLE = """[[torch_npu]]
version = "2.8.0.post2"
torch = "2.8.0"
ascend = "7.3.0"
cann = "8.5.0"

[backward]
"7.3.0" = ["8.5"]

[[triton_ascend]]
version = "3.2.0"
cann = ["8.5"]
"""
_SERVING = """name = "small"

[topologies.all.single]
source = "a test"
arguments = ["--device", "npu"]
"""


def wheel(
    name: str,
    version: str,
    requires: Sequence[str] = (),
    *,
    module: str = "",
    says: str = "",
    extra: str = "",
    python: str = "",
) -> bytes:
    """Return a wheel; its METADATA `says` a version and the Pythons that it is for, `extra` is a further member."""
    stem = name.replace("-", "_")
    info = f"{stem}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
    needs += f"Requires-Python: {python}\n" if python else ""
    files = {
        f"{stem}.py": module,
        **({extra: "other = 1"} if extra else {}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {says or version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = "".join(f"{path},{_digest(text)},{len(text)}\n" for path, text in files.items())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": f"{rows}{info}/RECORD,,\n"}.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return buffer.getvalue()


def _digest(text: str) -> str:
    raw = hashlib.sha256(text.encode()).digest()
    return f"sha256={base64.urlsafe_b64encode(raw).decode().rstrip('=')}"


def sdist() -> bytes:
    """Return SGLang's sdist in miniature: a CUDA project file, and the NPU one beside it."""
    head = (
        '[build-system]\nrequires = ["tinybuild"]\nbuild-backend = "tinybuild"\n[project]\nname = "sglang"\n'
    )
    cuda = f'{head}version = "1.0"\ndependencies = ["cuda-python"]\n'
    npu = f'{head}version = "1.0"\ndependencies = ["einops"]\n[project.optional-dependencies]\nsrt_npu = ["tqdm"]\n'
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in {"pyproject.toml": cuda, "pyproject_npu.toml": npu, "PKG-INFO": "x"}.items():
            member = tarfile.TarInfo(f"sglang-1.0/{name}")
            member.size, member.mtime = len(text), 1_700_000_000
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def furnish(index: Index) -> None:
    """Put everything of the small world on the index, and what must not be taken from it."""
    offers = {
        ("torch", "2.8.0"): ["numpy"],
        ("torchvision", "0.23.0"): ["torch==2.8.0"],
        ("torch-npu", "2.8.0.post2"): ["torch==2.8.0"],
        ("triton-ascend", "3.2.0"): [],
        ("triton", "3.9.0"): [],
        ("sglang", "9.9"): [],
        ("einops", "0.8"): ["triton; platform_machine == 'x86_64'"],
        ("tqdm", "4.0"): [],
        ("numpy", "2.0"): [],
        ("pybind11", "3.0"): [],
    }
    for (name, version), requires in offers.items():
        filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        index.offer(filename, wheel(name, version, requires))
    index.offer("tinybuild-1.0-py3-none-any.whl", wheel("tinybuild", "1.0", module=_BACKEND))
    index.offer("sglang-1.0.tar.gz", sdist())


_COUNTED = """
    import os, time
    process, line = os.getpid(), []
    while process > 1:
        line.append(str(process))
        with open(f"/proc/{process}/stat") as stat:
            process = int(stat.read().rpartition(")")[2].split()[1])
    with open({runs!r}, "a") as file:
        file.write(" ".join(line) + chr(10))
    time.sleep(1)
"""


def count_builds(index: Index, runs: Path) -> None:
    """Have the backend write a line to a file at each run: its process, and those that it descends from.

    It then waits a second, so that a run beside it would begin meanwhile.
    """
    begin = "    import tomllib\n"
    counted = _COUNTED.replace("{runs!r}", repr(str(runs)))
    module = _BACKEND.replace(begin, f"{counted}{begin}")
    index.offer("tinybuild-1.0-py3-none-any.whl", wheel("tinybuild", "1.0", module=module))


def recipes_into(folder: Path) -> None:
    """Write the recipes, the stack and the table."""
    for name in ("stacks", "serving"):
        (folder / name).mkdir(parents=True)
    more = {
        "triton-ascend": 'excludes = ["triton"]\n[[undeclared]]\nrequirement = "pybind11"\nwhy = "a test"\n',
    }
    for name in ("torch", "torchvision", "torch-npu", "triton-ascend"):
        text = _SMALL.format(name=name, module=name.replace("-", "_"), more=more.get(name, ""))
        (folder / f"{name}.toml").write_text(text)
    (folder / "sglang.toml").write_text(_SGLANG)
    (folder / "nnal.toml").write_text(_NNAL)
    (folder / "compatibility.toml").write_text(_TABLE)
    (folder / "stacks/torch2.8.0-cann8.5.0.toml").write_text(_STACK)
    (folder / "serving/small.toml").write_text(_SERVING)


@dataclass(frozen=True)
class Invoked:
    """An `invoke` that ended."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class World:
    """The project folder, its index and its own store."""

    root: Path
    index: Index

    @property
    def store(self) -> Path:
        """Where `invoke` keeps bytes."""
        return self.root / "store"

    @property
    def folder(self) -> Path:
        """The finished wheelhouse."""
        return self.root / "wheelhouse/sglang1.0-torch2.8.0-cann8.5.0-a3-aarch64"

    @property
    def env(self) -> dict[str, str]:
        """The environment of a user of this world: nothing of the developer's."""
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(self.root),
            "WHEELHOUSE_STORE": str(self.store),
            "PIP_INDEX_URL": self.index.simple,
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_RETRIES": "1",
            "NO_PROXY": "*",
        }

    def invoke(self, *words: str, **env: str) -> Invoked:
        """Run `invoke` in the project folder as a user would."""
        done = subprocess.run(
            [Path(sys.executable).parent / "invoke", *words],
            cwd=self.root,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        return Invoked(status=done.returncode, out=done.stdout, err=done.stderr)

    def make(self, *words: str, **env: str) -> Invoked:
        """Run `invoke wheelhouse` with the faster resolver."""
        return self.invoke("wheelhouse", "--resolver", "uv", *words, **env)


def found(root: Path, index: Index) -> World:
    """Make a world in an empty folder."""
    recipes_into(root / "recipes")
    (root / "tasks.py").symlink_to(ROOT / "tasks.py")
    furnish(index)
    return World(root=root, index=index)


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def torch_of_own_index(url: str, *, more: str = "") -> str:
    """Return a recipe of torch whose `+cpu` build comes from an index of its own.

    Args:
        url: That index.
        more: Further origins, asked before a person's file.
    """
    own = f'[[origins]]\nkind = "extra-index"\nurl = "{url}"\nlocal = "cpu"\n'
    head = _SMALL.format(name="torch", module="torch", more="").partition("[[origins]]")[0]
    return "\n".join((head, own, *([more] if more else []), '[[origins]]\nkind = "file"\n'))
