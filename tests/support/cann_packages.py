"""Stand-ins for CANN's toolkit as a `.run`: packages in a package, each part with its list of files.

The shape follows cann/cmake's packaging (scripts/package/filelist.py, makeself.cmake) and public scripts that unpack
CANN 8.5 to 9.2; up to 8.3 parts lie in folders of their own names. No file of CANN is in them.
"""

from __future__ import annotations

import io
import platform
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from making_packages import makeself

from ascend_wheelhouse.base.process import run

COLUMNS = (
    "module,operation,relative_path_in_pkg,relative_install_path,is_in_docker,permission,owner:group,install_type,"
    "softlink,feature,is_common_path,configurable,hash,block,pkg_inner_softlink,chip,is_dir"
)
Pack = Callable[[Mapping[str, "bytes | str"]], bytes]


def row(operation: str, source: str, target: str, *, softlink: str = "NA", chip: str = "all") -> str:
    """Return a line of a part's list."""
    owner = r"\$username:\$usergroup"
    return f"x,{operation},{source},{target},TRUE,550,{owner},all,{softlink},all,N,FALSE,NA,x,NA,{chip},FALSE"


def listed(*rows: str) -> str:
    """Return a part's list of files."""
    return "\n".join((COLUMNS, *rows, ""))


def packed(members: Mapping[str, bytes | str]) -> bytes:
    """Return a package that holds files; a text that begins with `-> ` is a link to what follows."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            if isinstance(data, str) and data.startswith("-> "):
                member.type, member.linkname = tarfile.SYMTYPE, data.removeprefix("-> ")
                archive.addfile(member)
            else:
                raw = data.encode() if isinstance(data, str) else data
                member.size, member.mode = len(raw), 0o550 if "/bin/" in name else 0o440
                archive.addfile(member, io.BytesIO(raw))
    return makeself(content.getvalue())


def toolkit(folder: Path, version: str, machine: str, pack: Pack = packed) -> Path:
    """Make a toolkit's package that the stand-in for sgl-kernel-npu builds with, and return it."""
    old = version.startswith("8.3")
    parts = _parts_of_old(machine, folder) if old else _parts_of_new(machine, folder)
    name = (
        "CANN-{}-" + version + f"-linux.{machine}.run"
        if old
        else "cann-{}_" + version + f"_linux-{machine}.run"
    )
    members: dict[str, bytes | str] = {"install.sh": "exit 9\n", "scene.info": f"arch={machine}\n"}
    members |= {f"run_package/{name.format(part)}": pack(files) for part, files in parts.items()}
    path = folder / f"Ascend-cann-toolkit_{version}_linux-{machine}.run"
    path.write_bytes(pack(members))
    return path


def _parts_of_old(machine: str, work: Path) -> dict[str, dict[str, bytes | str]]:
    runtime: dict[str, bytes | str] = {
        "runtime/include/acl/acl.h": _header(machine),
        f"runtime/lib64/stub/linux/{machine}/libascendcl.so": _stub(work, machine),
        "runtime/script/filelist.csv": listed(
            row("mkdir", "NA", f"{machine}-linux/include", softlink="include"),
            row("copy", "runtime/include/acl/acl.h", f"{machine}-linux/include/acl/acl.h"),
            row("copy_entity", "runtime/lib64", "runtime/lib64"),
            row("copy", "runtime/script/filelist.csv", "runtime/script/filelist.csv"),
            row("copy", "runtime/310p/only.so", "runtime/lib64/only.so", chip="ascend310p"),
            row("del", "NA", "runtime/later.info"),
        ),
    }
    compiler: dict[str, bytes | str] = {
        "compiler/bin/opc": "#!/bin/sh\necho opc\n",
        "compiler/lib64/te-0.4.0-py3-none-any.whl": wheel("te/__init__.py"),
        "compiler/script/filelist.csv": listed(
            row("move", "compiler/bin/opc", "compiler/bin/opc", softlink="bin/opc"),
            row(
                "copy", "compiler/lib64/te-0.4.0-py3-none-any.whl", "compiler/lib64/te-0.4.0-py3-none-any.whl"
            ),
        ),
    }
    return {"runtime": runtime, "compiler": compiler}


def _parts_of_new(machine: str, work: Path) -> dict[str, dict[str, bytes | str]]:
    arch = f"{machine}-linux"
    runtime: dict[str, bytes | str] = {
        f"{arch}/include/acl/acl.h": _header(machine),
        f"{arch}/devlib/linux/{machine}/libascendcl.so": _stub(work, machine),
        "share/info/npu-runtime/script/filelist.csv": listed(
            row("mkdir", "NA", f"{arch}/include", softlink="include"),
            row("copy", f"{arch}/include/acl/acl.h", f"{arch}/include/acl/acl.h"),
            row(
                "copy",
                f"{arch}/devlib/linux/{machine}/libascendcl.so",
                f"{arch}/devlib/linux/{machine}/libascendcl.so",
            ),
        ),
    }
    # a part without a list, laid out as the toolkit is
    compiler: dict[str, bytes | str] = {
        "compiler/bin/opc": "#!/bin/sh\necho opc\n",
        "bin/opc": "-> ../compiler/bin/opc",
        "tools/te-0.4.0-py3-none-any.whl": wheel("te/__init__.py"),
    }
    return {"npu-runtime": runtime, "ge-compiler": compiler}


def _header(machine: str) -> str:
    number = ("aarch64", "x86_64").index(machine) + 1
    return f'#define ACL_MACHINE {number}\nextern "C" int aclInit(int);\n'


def _stub(work: Path, machine: str) -> bytes:
    if machine != platform.machine():
        return b"INPUT ( -lc )\n"  # a library to the linker, of any machine
    source, library = work / "acl.c", work / "libascendcl.so"
    source.write_text("int aclInit(int machine) { return machine; }\n", encoding="utf-8")
    run(["gcc", "-shared", "-fPIC", "-Wl,-soname,libascendcl.so", "-o", library, source])
    return library.read_bytes()


def wheel(member: str) -> bytes:
    """Return a wheel with one file in it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(member, "version = '0.4.0'\n")
    return content.getvalue()


def paths(folder: Path) -> Sequence[str]:
    """Return every path below a folder, relative and sorted."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
