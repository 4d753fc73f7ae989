"""Ascend folders made like the real ones: both layouts of CANN, NNAL, BiSheng's compiler, custom operators.

What the scripts set and how they are shaped: Ascend/cann-container-image,
cann/8.3.rc2-a3-ubuntu22.04-py3.11/Dockerfile@b1aaad7 and cann/8.5.0-a3-ubuntu22.04-py3.11/Dockerfile@5a68fc2. Each
notes in ORDER that it was sourced.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from small_wheelhouse import MACHINE

_TOOLKIT = """\
export ASCEND_TOOLKIT_HOME={home}
export LD_LIBRARY_PATH={driver}/lib64/common/:{driver}/lib64/driver/:$LD_LIBRARY_PATH
export LD_LIBRARY_PATH=${{ASCEND_TOOLKIT_HOME}}/lib64:${{ASCEND_TOOLKIT_HOME}}/lib64/plugin/opskernel:$LD_LIBRARY_PATH
export PYTHONPATH=${{ASCEND_TOOLKIT_HOME}}/python/site-packages:${{ASCEND_TOOLKIT_HOME}}/{tbe}:$PYTHONPATH
export PATH=${{ASCEND_TOOLKIT_HOME}}/bin:${{ASCEND_TOOLKIT_HOME}}/tools/ccec_compiler/bin:$PATH
export ASCEND_OPP_PATH=${{ASCEND_TOOLKIT_HOME}}/opp
export TOOLCHAIN_HOME=${{ASCEND_TOOLKIT_HOME}}/toolkit
export ASCEND_HOME_PATH=${{ASCEND_TOOLKIT_HOME}}
export ORDER="$ORDER toolkit:{version}"
"""
_NNAL = """\
if [ -n "$ZSH_VERSION" ]; then atb=$0; else atb={root}/nnal/atb/set_env.sh; fi
abi=$(python3 -c 'import torch; print(int(torch.compiled_with_cxx11_abi()))' 2>/dev/null || echo 0)
for word in "$@"; do case $word in --cxx_abi=*) abi=${{word#--cxx_abi=}} ;; *) exit 3 ;; esac; done
export ATB_HOME_PATH={root}/nnal/atb/latest/atb/cxx_abi_$abi
export LD_LIBRARY_PATH=$ATB_HOME_PATH/lib:$LD_LIBRARY_PATH
export LCCL_DETERMINISTIC=0
export ORDER="$ORDER nnal"
"""
_TBE = "opp/built-in/op_impl/ai_core/tbe"


def put(path: Path, text: str) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class CannTree:
    """One Ascend folder.

    Args:
        root: Where it is written.
        seen: Where those see it that use it, if not there: what its scripts say.
    """

    root: Path
    seen: Path | None = None

    def said(self, path: Path) -> Path:
        """Return a path below the folder as its scripts say it."""
        return (self.seen or self.root) / path.relative_to(self.root)

    def toolkit(self, version: str) -> Path:
        """Install a toolkit in the layout of its version, make it the latest one, and return its folder."""
        old = version.startswith("8.3")
        home = self.root / (f"ascend-toolkit/{version}" if old else f"cann-{version}")
        info = f"package_name=Ascend-cann-toolkit\nversion={version}\narch={MACHINE}\n"
        put(home / f"{MACHINE}-linux/ascend_toolkit_install.info", info)
        put(home / "python/site-packages/te/__init__.py", f"version = {version!r}\n")
        put(home / _TBE / "impl/__init__.py", "")
        latest = self.root / "ascend-toolkit/latest"
        latest.parent.mkdir(exist_ok=True)
        place = {"driver": self.said(self.root / "driver"), "version": version, "tbe": _TBE}
        if old:
            self._link(latest, version)
            put(self.root / "ascend-toolkit/set_env.sh", _TOOLKIT.format(home=self.said(latest), **place))
            return home
        put(home / "set_env.sh", _TOOLKIT.format(home=self.said(home), **place))
        put(home / "share/info/ascendnpu-ir/bin/set_env.sh", self._compiler(home / "tools/bishengir"))
        self._link(self.root / "cann", home.name)
        return home

    def paths_of_old(self, home: Path) -> None:
        """Make `ascend-toolkit` one more path to a toolkit of the newer layout, as upstream's images have it."""
        self._link(self.root / "ascend-toolkit/latest", f"../{home.name}")
        put(self.root / "ascend-toolkit/set_env.sh", f". {self.said(home)}/set_env.sh\n")

    def nnal(self, version: str) -> None:
        """Install NNAL."""
        put(self.root / f"nnal/atb/{version}/version.info", f"    Ascend-cann-atb : {version}\n")
        self._link(self.root / "nnal/atb/latest", version)
        put(self.root / "nnal/atb/set_env.sh", _NNAL.format(root=self.said(self.root)))

    def bisheng(self) -> None:
        """Install BiSheng's package; its folder is named by its own line of versions."""
        folder = self.root / "8.5.0/bisheng_toolkit"
        put(folder / "set_env.sh", self._compiler(folder))

    def operators(self, home: Path) -> None:
        """Install custom operators into a toolkit."""
        vendor = home / "opp/vendors/customize"
        text = f"export ASCEND_CUSTOM_OPP_PATH={self.said(vendor)}:${{ASCEND_CUSTOM_OPP_PATH}}\n"
        put(vendor / "bin/set_env.bash", f'{text}export ORDER="$ORDER operators"\n')

    def _compiler(self, folder: Path) -> str:
        name = folder.relative_to(self.root)
        return f'export PATH={self.said(folder)}/bin:$PATH\nexport ORDER="$ORDER compiler:{name}"\n'

    def _link(self, link: Path, target: str) -> None:
        link.unlink(missing_ok=True)
        link.symlink_to(target)
