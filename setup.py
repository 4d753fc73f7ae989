"""What `pyproject.toml` cannot say: `recipes/` and `lockfiles/` go into the wheel as data of the package.

They stand once in the repository, at its top. An editable install reads them there.
"""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
DATA = "ascend_wheelhouse/data"
FOLDERS = ("recipes", "lockfiles")
OF_THE_CLONE = {"dev.txt"}


def data_files() -> list[Path]:
    """Return what the package carries, relative to the repository."""
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file())
    named = [path.relative_to(ROOT) for path in found if path.name not in OF_THE_CLONE]
    return sorted(path for path in named if not any(part.startswith(".") for part in path.parts))


class BuildWithData(build_py):
    """Copies the modules, and the data beside them."""

    def run(self) -> None:
        """Copy everything; an editable install has it in place."""
        super().run()
        if self.editable_mode:
            return
        for path in data_files():
            target = Path(self.build_lib, DATA, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(str(ROOT / path), str(target))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:  # noqa: FBT001, FBT002 - setuptools'
        """Return every file that a build writes."""
        if self.editable_mode:
            return super().get_outputs(include_bytecode)
        return [
            *super().get_outputs(include_bytecode),
            *(str(Path(self.build_lib, DATA, path)) for path in data_files()),
        ]


setup(cmdclass={"build_py": BuildWithData})
