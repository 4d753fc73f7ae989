"""Wheelhouses with one defect each: the right check reports it, no other says a word."""

from __future__ import annotations

import shutil
import stat
import struct
import subprocess
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import pytest
from making_wheels import PT_GNU_STACK, PT_LOAD, with_segment_flags
from shop import ACL, C10, NPU, Shop, compiled, npu_library, open_shop

from ascend_wheelhouse.audit.policy import KnownStack

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
Spoil = Callable[[Shop], None]
DEFECTS: list[tuple[str, str, Spoil]] = []
KEY = "-----BEGIN PRIVATE KEY-----\n" + "QUJDREVGRw" * 12 + "\n-----END PRIVATE KEY-----\n"


def defect(check: str, rule: str) -> Callable[[Spoil], Spoil]:
    def keep(spoil: Spoil) -> Spoil:
        DEFECTS.append((check, rule, spoil))
        return spoil

    return keep


def npu_files(shop: Shop) -> dict[str, str | bytes]:
    return shop.wheels["torch_npu"].files


def library(shop: Shop) -> bytes:
    data = npu_files(shop)["torch_npu/lib/libtorch_npu.so"]
    assert isinstance(data, bytes)
    return data


def put_library(shop: Shop, data: bytes) -> None:
    npu_files(shop)["torch_npu/lib/libtorch_npu.so"] = data


# Link closure


@defect("link-closure", "missing-library")
def a_library_that_nothing_has(shop: Shop) -> None:
    nowhere = (("libnowhere.so", "int nowhere;"),)
    put_library(shop, npu_library(extra=("-lnowhere",), needs=nowhere))


@defect("link-closure", "missing-library")
def a_bundled_library_that_was_left_out(shop: Shop) -> None:
    del shop.wheels["torch"].files["torch/lib/libc10.so"]


@defect("link-closure", "missing-library")
def a_cann_library_in_a_wheel_whose_recipe_does_not_leave_it_to_the_host(shop: Shop) -> None:
    other = compiled(
        "_C.so", "int c;", ("-Wl,--no-as-needed", "-L.", "-lascendcl"), (("libascendcl.so", ACL),)
    )
    shop.wheels["torchvision"].files["torchvision/_C.so"] = other


def cuda_object() -> bytes:
    flags = ("-Wl,--no-as-needed", "-L.", "-lcudart")
    return compiled("_C.so", "int c;", flags, (("libcudart.so", "int cuda;"),))


@defect("link-closure", "cuda-object")
def a_cuda_build_of_a_package_that_does_without(shop: Shop) -> None:
    shop.wheels["torchvision"].files["torchvision/_C.so"] = cuda_object()


@defect("link-closure", "cuda-object")
def a_cuda_build_of_torch(shop: Shop) -> None:
    shop.wheels["torch"].files["torch/lib/libtorch_cuda_linalg.so"] = cuda_object()


@defect("link-closure", "missing-symbols")
def a_torch_symbol_of_another_line(shop: Shop) -> None:
    put_library(
        shop,
        npu_library(
            NPU.replace("c10::count(n)", "c10::renamed(n)").replace("int count(int)", "int renamed(int)")
        ),
    )


@defect("link-closure", "missing-symbols")
def a_c_symbol_that_nothing_defines(shop: Shop) -> None:
    shop.wheels["torchvision"].files["torchvision/_C.so"] = compiled(
        "_C.so", 'extern "C" int nowhere(); extern "C" int here() { return nowhere(); }'
    )


@defect("link-closure", "missing-symbols")
def a_symbol_version_that_the_bundled_library_lacks(shop: Shop) -> None:
    draft = shop.wheels["torchvision"]
    text = 'extern "C" int png() { return 1; }'
    made = compiled(
        "_C.so", 'extern "C" int png(); int c() { return png(); }', ("-L.", "-lpng"), (("libpng.so", text),)
    )
    assert made
    draft.files |= versioned_pair("PNG_1", "PNG_2")


@defect("link-closure", "symbol-version")
def a_symbol_newer_than_the_glibc_floor(shop: Shop) -> None:
    source = '#include <cstdlib>\nextern "C" int here() { return std::rand(); }'
    made = compiled("_C.so", source)
    shop.wheels["torchvision"].files["torchvision/_C.so"] = made.replace(b"GLIBC_2.2.5", b"GLIBC_2.352")


@defect("link-closure", "symbol-version")
def a_symbol_newer_than_the_floor_of_libstdcxx(shop: Shop) -> None:
    source = "#include <new>\n#include <stdexcept>\nvoid here() { throw std::bad_alloc(); }"
    made = compiled("_C.so", source).replace(b"GLIBCXX_3.4\0", b"GLIBCXX_9.9\0")
    shop.wheels["torchvision"].files["torchvision/_C.so"] = made


@defect("link-closure", "machine")
def an_object_for_the_other_machine(shop: Shop) -> None:
    made = bytearray(compiled("_C.so", "int c;"))
    struct.pack_into("<H", made, 18, 183)
    shop.wheels["torchvision"].files["torchvision/_C.so"] = bytes(made)


@defect("link-closure", "machine")
def an_object_of_32_bits(shop: Shop) -> None:
    made = bytearray(compiled("_C.so", "int c;"))
    made[4] = 1
    shop.wheels["torchvision"].files["torchvision/_C.so"] = bytes(made)


@defect("link-closure", "unreachable-library")
def a_library_of_a_wheel_that_is_not_imported(shop: Shop) -> None:
    other = compiled("_x.so", "int x;", ("-Wl,--no-as-needed", "-L.", "-lc10"), (("libc10.so", C10),))
    shop.add("lonely", {"lonely/__init__.py": "", "lonely/_x.so": other}, tag=shop.wheels["torch"].tag)


@defect("link-closure", "missing-host-symbols")
def a_symbol_that_the_cann_given_does_not_have(shop: Shop) -> None:
    shop.hold_to(host_symbols={"libascendcl.so": frozenset({"aclFinalize"})})


def versioned_pair(used: str, offered: str) -> dict[str, str | bytes]:
    """Return a library that needs `used` of libpng.so, and a libpng.so that offers `offered`."""
    source = '__asm__(".symver png_v,png@@{}"); extern "C" int png_v() {{ return 1; }}'
    user = 'extern "C" int png(); extern "C" int show() { return png(); }'
    needed = linked_versioned(source.format(used), used, user)
    return {
        "torchvision/_C.so": needed[1],
        "torchvision/libpng.so": linked_versioned(source.format(offered), offered, user)[0],
    }


def linked_versioned(source: str, version: str, user: str) -> tuple[bytes, bytes]:
    with TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "map").write_text(f"{version} {{ global: png; local: *; }};\n")
        (place / "png.cpp").write_text(source)
        (place / "user.cpp").write_text(user)
        base = ["g++", "-shared", "-fPIC", "-nostartfiles", "-o"]
        first = [*base, "libpng.so", "png.cpp", "-Wl,--version-script,map", "-Wl,-soname,libpng.so"]
        second = [*base, "_C.so", "user.cpp", "-L.", "-lpng", "-Wl,-rpath,$ORIGIN"]
        for command in (first, second):
            subprocess.run(command, check=True, cwd=place)
        return (place / "libpng.so").read_bytes(), (place / "_C.so").read_bytes()


# C++ ABI


@defect("cxx-abi", "abi-differs")
def a_wheel_of_the_old_abi(shop: Shop) -> None:
    put_library(shop, npu_library(extra=("-D_GLIBCXX_USE_CXX11_ABI=0",)))


@defect("cxx-abi", "abi-differs")
def a_torch_of_the_old_abi(shop: Shop) -> None:
    old = compiled("libc10.so", C10, ("-D_GLIBCXX_USE_CXX11_ABI=0",))
    shop.wheels["torch"].files["torch/lib/libc10.so"] = old


# Ownership


@defect("ownership", "shared-path")
def two_wheels_with_one_module(shop: Shop) -> None:
    shop.add("other", {"triton/__init__.py": "x = 1\n"})


@defect("ownership", "shared-path")
def two_wheels_with_one_module_of_equal_content(shop: Shop) -> None:
    shop.add("first", {"six.py": "x = 1\n"})
    shop.add("second", {"six.py": "x = 1\n"})


@defect("ownership", "shared-path")
def two_wheels_with_one_script(shop: Shop) -> None:
    for name in ("first", "second"):
        shop.add(name, {f"{name}.py": "", f"{name}-1.0.data/scripts/serve": f"#!python\n{name}\n"})


@defect("ownership", "shared-path")
def a_script_and_an_entry_point_of_one_name(shop: Shop) -> None:
    entry = "[console_scripts]\nserve = first:main\n"
    shop.add("first", {"first.py": "", "first-1.0.dist-info/entry_points.txt": entry})
    shop.add("second", {"second.py": "", "second-1.0.data/scripts/serve": "#!python\n"})


@defect("ownership", "shared-path")
def one_path_by_way_of_a_data_folder(shop: Shop) -> None:
    shop.add("first", {"six.py": "x = 1\n"})
    shop.add("second", {"second-1.0.data/purelib/six.py": "x = 2\n"})


@defect("ownership", "shared-path")
def two_wheels_with_one_data_file(shop: Shop) -> None:
    for name in ("first", "second"):
        shop.add(name, {f"{name}.py": "", f"{name}-1.0.data/data/etc/serve.conf": name})


@defect("ownership", "shared-path")
def two_wheels_with_one_pth_file(shop: Shop) -> None:
    for name in ("first", "second"):
        shop.add(name, {f"{name}.py": "", "start.pth": f"import {name}\n"})


@defect("ownership", "case")
def paths_that_differ_in_case(shop: Shop) -> None:
    shop.add("first", {"six.py": ""})
    shop.add("second", {"Six.py": ""})


@defect("ownership", "stray-top-level")
def a_tests_folder_at_the_top_level(shop: Shop) -> None:
    shop.add("first", {"first.py": "", "tests/__init__.py": ""})


@defect("ownership", "foreign-package")
def a_file_in_the_package_of_another_wheel(shop: Shop) -> None:
    shop.add("first", {"numpy/plugin.py": ""})


# Metadata


def lines_of(shop: Shop, folder: Path, name: str) -> list[str]:
    path = shop.wheels[name].write(folder)
    with ZipFile(path) as archive:
        record = next(one for one in archive.namelist() if one.endswith("RECORD"))
        return archive.read(record).decode().splitlines()


def spoil_record(shop: Shop, change: Callable[[list[str]], list[str]]) -> None:
    with TemporaryDirectory() as folder:
        lines = lines_of(shop, Path(folder), "numpy")
    shop.wheels["numpy"].record_text = "\n".join([*change(lines), ""])


@defect("metadata", "record-hash")
def bytes_other_than_in_record(shop: Shop) -> None:
    spoil_record(shop, lambda lines: [lines[0].replace("sha256=", "sha256=AAAA", 1)[:-7] + ",0", *lines[1:]])


@defect("metadata", "record-size")
def a_size_other_than_in_record(shop: Shop) -> None:
    spoil_record(shop, lambda lines: [lines[0].rpartition(",")[0] + ",7", *lines[1:]])


@defect("metadata", "record-missing")
def a_member_that_record_does_not_name(shop: Shop) -> None:
    spoil_record(shop, lambda lines: lines[1:])


@defect("metadata", "record-absent")
def a_row_of_record_without_a_member(shop: Shop) -> None:
    spoil_record(
        shop, lambda lines: ["numpy/gone.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0", *lines]
    )


@defect("metadata", "record-repeats")
def a_row_of_record_twice(shop: Shop) -> None:
    spoil_record(shop, lambda lines: [lines[0], *lines])


@defect("metadata", "record-algorithm")
def a_weak_hash_in_record(shop: Shop) -> None:
    spoil_record(shop, lambda lines: ["numpy/__init__.py,md5=1B2M2Y8AsgTpgAmY7PhCfg,0", *lines[1:]])


@defect("metadata", "record-unhashed")
def a_row_of_record_without_a_hash(shop: Shop) -> None:
    spoil_record(shop, lambda lines: ["numpy/__init__.py,,", *lines[1:]])


@defect("metadata", "unreadable")
def a_record_that_is_no_table(shop: Shop) -> None:
    shop.wheels["numpy"].record_text = "numpy/__init__.py;sha256;0\n"


@defect("metadata", "metadata-name")
def a_name_other_than_the_file_name(shop: Shop) -> None:
    shop.wheels["numpy"].metadata_text = "Metadata-Version: 2.1\nName: mumpy\nVersion: 1.26.4\n\n"


@defect("metadata", "metadata-version")
def a_version_other_than_the_file_name(shop: Shop) -> None:
    shop.wheels["numpy"].metadata_text = "Metadata-Version: 2.1\nName: numpy\nVersion: 1.26.5\n\n"


@defect("metadata", "unreadable")
def metadata_without_a_version(shop: Shop) -> None:
    shop.wheels["numpy"].metadata_text = "Metadata-Version: 2.1\nName: numpy\n\n"


@defect("metadata", "wheel-tags")
def tags_other_than_the_file_name(shop: Shop) -> None:
    shop.wheels["numpy"].wheel_tags = ["py2-none-any"]


@defect("metadata", "wheel-version")
def a_format_that_installers_refuse(shop: Shop) -> None:
    shop.wheels["numpy"].wheel_text = "Wheel-Version: 2.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@defect("metadata", "dist-info-name")
def a_dist_info_of_another_version(shop: Shop) -> None:
    shop.wheels["numpy"].dist_info = "numpy-1.26.5.dist-info"


@defect("metadata", "unreadable")
def a_wheel_with_two_dist_infos(shop: Shop) -> None:
    shop.wheels["numpy"].files["mumpy-1.0.dist-info/METADATA"] = ""


@defect("metadata", "tags")
def a_wheel_for_another_python(shop: Shop) -> None:
    shop.wheels["torchvision"].tag = "cp310-cp310-manylinux_2_28_x86_64"


@defect("metadata", "tags")
def a_wheel_for_another_libc(shop: Shop) -> None:
    shop.wheels["torchvision"].tag = "cp311-cp311-musllinux_1_2_x86_64"


@defect("metadata", "tags")
def a_wheel_above_the_glibc_floor(shop: Shop) -> None:
    shop.wheels["torchvision"].tag = "cp311-cp311-manylinux_2_34_x86_64"


@defect("metadata", "requires-python")
def a_wheel_that_refuses_this_python(shop: Shop) -> None:
    shop.wheels["numpy"].metadata = ["Requires-Python: >=3.12"]


@defect("metadata", "not-closed")
def a_requirement_that_is_not_there(shop: Shop) -> None:
    shop.wheels["numpy"].metadata = ["Requires-Dist: wheelbarrow"]


@defect("metadata", "not-closed")
def a_requirement_of_an_extra_that_is_asked_for(shop: Shop) -> None:
    extra = ["Provides-Extra: global", 'Requires-Dist: wheelbarrow; extra == "global"']
    shop.wheels["pybind11"].metadata = extra


@defect("metadata", "not-closed")
def a_requirement_of_the_target_machine_only(shop: Shop) -> None:
    shop.wheels["numpy"].metadata = ['Requires-Dist: wheelbarrow; platform_machine == "x86_64"']


@defect("metadata", "conflict")
def a_requirement_of_another_version(shop: Shop) -> None:
    shop.wheels["sglang"].metadata = [*shop.wheels["sglang"].metadata, "Requires-Dist: numpy>=2"]


@defect("metadata", "two-versions")
def two_versions_of_one_distribution(shop: Shop) -> None:
    shop.add("first", {"first.py": ""}, version="1.0")
    shop.wheels["second"] = shop.add("first", {"later.py": ""}, version="2.0")
    shop.add("first", {"first.py": ""}, version="1.0")


@defect("metadata", "closed-name")
def a_closed_name_from_the_index(shop: Shop) -> None:
    shop.add("deep_ep", {"deep_ep/__init__.py": ""}, version="1.0.0")
    shop.hold_to(origins={"deep_ep-1.0.0-py3-none-any.whl": "index"})


@defect("metadata", "closed-name")
def the_cuda_project_of_a_closed_name(shop: Shop) -> None:
    shop.add("deep_ep", {"deep_ep/__init__.py": ""}, metadata=["Requires-Dist: nvidia-nvshmem-cu12"])
    shop.add("nvidia_nvshmem_cu12", {"nvidia_nvshmem.py": ""})


@defect("metadata", "yanked")
def a_file_that_the_index_withdrew(shop: Shop) -> None:
    shop.hold_to(yanked={"numpy-1.26.4-py3-none-any.whl": "yanked: broken on aarch64"})


@defect("metadata", "excluded-name")
def a_name_that_a_recipe_keeps_out(shop: Shop) -> None:
    shop.add("triton", {"triton_upstream.py": ""}, version="3.4.0")


@defect("metadata", "unreadable")
def a_file_name_that_is_none(shop: Shop) -> None:
    shop.add("first", {"first.py": ""}, file_name="first-1.0.whl")


@defect("metadata", "unreadable")
def a_file_cut_short(shop: Shop) -> None:
    shop.files["first-1.0-py3-none-any.whl"] = b"PK\3\4" + bytes(100)


@defect("metadata", "unreadable")
def an_html_page_in_place_of_a_wheel(shop: Shop) -> None:
    shop.files["first-1.0-py3-none-any.whl"] = b"<html>Sign in</html>"


@defect("metadata", "unreadable")
def damaged_bytes_in_a_member(shop: Shop) -> None:
    with TemporaryDirectory() as folder:
        path = shop.add("first", {"first.py": "value = 1\n" * 40}).write(Path(folder))
        data = bytearray(path.read_bytes())
    del shop.wheels["first"]
    data[42:46] = b"\xff\xff\xff\xff"
    shop.files[path.name] = bytes(data)


# Undeclared imports


@defect("undeclared-imports", "missing-module")
def an_import_that_nothing_provides(shop: Shop) -> None:
    shop.wheels["numpy"].files["numpy/__init__.py"] = "import wheelbarrow\n"


@defect("undeclared-imports", "missing-module")
def an_import_in_a_module_further_down(shop: Shop) -> None:
    shop.wheels["numpy"].files |= {
        "numpy/__init__.py": "from . import core\n",
        "numpy/core/__init__.py": "from .deep import x\n",
        "numpy/core/deep.py": "from wheelbarrow.axle import x\n",
    }


@defect("undeclared-imports", "missing-module")
def an_import_in_a_class_body(shop: Shop) -> None:
    shop.wheels["numpy"].files["numpy/__init__.py"] = "class A:\n    import wheelbarrow\n"


@defect("undeclared-imports", "missing-module")
def an_import_under_a_try_that_lets_it_fail(shop: Shop) -> None:
    text = "try:\n    import wheelbarrow\nexcept KeyError:\n    pass\n"
    shop.wheels["numpy"].files["numpy/__init__.py"] = text


@defect("undeclared-imports", "missing-module")
def an_import_for_linux(shop: Shop) -> None:
    text = 'import sys\nif sys.platform == "linux":\n    import wheelbarrow\n'
    shop.wheels["numpy"].files["numpy/__init__.py"] = text


@defect("undeclared-imports", "missing-module")
def an_import_that_only_the_server_start_reaches(shop: Shop) -> None:
    shop.wheels["sglang"].files["sglang/server.py"] = "import wheelbarrow\n"


@defect("undeclared-imports", "missing-module")
def pybind11_left_out_under_triton(shop: Shop) -> None:
    del shop.wheels["pybind11"]
    shop.wheels["sglang"].metadata = []


@defect("undeclared-imports", "missing-module")
def yaml_left_out_under_torch_npu(shop: Shop) -> None:
    del shop.wheels["pyyaml"]
    shop.wheels["sglang"].metadata = []


# The cell


@defect("cell", "torch-npu")
def a_torch_npu_of_another_line(shop: Shop) -> None:
    shop.wheels["torch_npu"].version, shop.wheels["torch_npu"].metadata = "2.7.1.post2", []


@defect("cell", "torchvision")
def a_torchvision_of_another_line(shop: Shop) -> None:
    shop.wheels["torchvision"].version = "0.22.1"


@defect("cell", "torchvision")
def a_torchvision_of_another_patch_release(shop: Shop) -> None:
    shop.wheels["torchvision"].version = "0.23.1"


@defect("cell", "torch_npu-cann")
def a_torch_npu_for_an_older_cann(shop: Shop) -> None:
    shop.hold_to(cell={"cann": "9.1.0"})


@defect("cell", "triton-cann")
def a_triton_ascend_for_an_older_cann(shop: Shop) -> None:
    shop.hold_to(cell={"cann": "8.5.0"})


@defect("cell", "not-as-stated")
def a_version_other_than_the_manifest_states(shop: Shop) -> None:
    shop.hold_to(cell={"torch_npu": "2.8.0.post4"})


@defect("cell", "chip")
def a_build_for_the_other_chip(shop: Shop) -> None:
    shop.add("deep_ep", {"deep_ep/__init__.py": ""}, version="1.0.0+0123abcd.cann8.3.rc2.910b")


@defect("cell", "chip-cann")
def a_build_with_another_cann(shop: Shop) -> None:
    shop.add("deep_ep", {"deep_ep/__init__.py": ""}, version="1.0.0+0123abcd.cann8.5.0.a3")
    shop.hold_to(cell={"cann": "8.3.RC2"})


@defect("cell", "unlisted")
def a_combination_that_no_stack_lists(shop: Shop) -> None:
    shop.wheels["sglang"].version = "0.5.99"


# Hygiene


@defect("hygiene", "exec-stack")
def an_executable_stack(shop: Shop) -> None:
    put_library(shop, with_segment_flags(library(shop), PT_GNU_STACK, 7))


@defect("hygiene", "rwx-segment")
def a_segment_to_write_and_to_run(shop: Shop) -> None:
    put_library(shop, with_segment_flags(library(shop), PT_LOAD, 7))


@defect("hygiene", "rpath")
def an_absolute_search_path(shop: Shop) -> None:
    put_library(shop, npu_library(extra=("-Wl,-rpath,/opt/builder/lib",)))


@defect("hygiene", "rpath")
def a_search_path_that_leaves_the_environment(shop: Shop) -> None:
    put_library(shop, npu_library(extra=("-Wl,-rpath,$ORIGIN/../../../../lib",)))


@defect("hygiene", "bad-object")
def an_object_cut_short(shop: Shop) -> None:
    shop.wheels["torchvision"].files["torchvision/_C.so"] = compiled("_C.so", "int c;")[:700]


@defect("hygiene", "setuid")
def a_setuid_member(shop: Shop) -> None:
    shop.wheels["numpy"].modes = {"numpy/__init__.py": stat.S_IFREG | 0o4755}


@defect("hygiene", "writable")
def a_member_that_anyone_may_write(shop: Shop) -> None:
    shop.wheels["numpy"].modes = {"numpy/__init__.py": stat.S_IFREG | 0o666}


@defect("hygiene", "path-traversal")
def a_member_above_the_environment(shop: Shop) -> None:
    shop.wheels["numpy"].files["../../.bashrc"] = "echo\n"


@defect("hygiene", "path-traversal")
def a_member_with_an_absolute_path(shop: Shop) -> None:
    shop.wheels["numpy"].files["/etc/cron.d/job"] = "echo\n"


@defect("hygiene", "symlink")
def a_symbolic_link(shop: Shop) -> None:
    shop.wheels["numpy"].files["numpy/passwd"] = "/etc/passwd"
    shop.wheels["numpy"].modes = {"numpy/passwd": stat.S_IFLNK | 0o777}


@defect("hygiene", "zip-bomb")
def a_member_that_swells(shop: Shop) -> None:
    shop.add("first", {"first/data.bin": bytes(65 << 20)})


@defect("hygiene", "overlap")
def entries_that_share_bytes(shop: Shop) -> None:
    with TemporaryDirectory() as folder:
        path = shop.add("first", {"first.py": "", "second.py": ""}).write(Path(folder))
        data = bytearray(path.read_bytes())
    del shop.wheels["first"]
    second = data.index(b"PK\1\2", data.index(b"PK\1\2") + 4)
    struct.pack_into("<I", data, second + 42, 0)
    shop.files[path.name] = bytes(data)


@defect("hygiene", "repeated-member")
def a_member_twice(shop: Shop) -> None:
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = shop.add("first", {"first.py": ""}).write(Path(folder))
        with ZipFile(path, "a") as archive:
            archive.writestr("first.py", "")
        shop.files[path.name] = path.read_bytes()
    del shop.wheels["first"]


@defect("hygiene", "bytecode")
def compiled_python_left_in(shop: Shop) -> None:
    shop.wheels["numpy"].files["numpy/__pycache__/__init__.cpython-311.pyc"] = b"\xa7\r\r\n"


@defect("hygiene", "credentials")
def a_file_of_credentials(shop: Shop) -> None:
    shop.wheels["numpy"].files["numpy/.netrc"] = "machine example.org\n"


@defect("hygiene", "credentials")
def a_private_key(shop: Shop) -> None:
    shop.wheels["numpy"].files["numpy/server.pem"] = KEY


@defect("hygiene", "builder-path")
def a_builder_path_in_direct_url(shop: Shop) -> None:
    name = "numpy-1.26.4.dist-info/direct_url.json"
    shop.wheels["numpy"].files[name] = '{"url": "file:///home/builder/numpy", "dir_info": {}}'


@pytest.mark.parametrize(
    ("built", "allowed", "severity"),
    [(False, "", "warning"), (True, "", "error"), (True, "*.json", "warning")],
)
def test_a_builders_path_counts_more_in_a_wheel_that_was_built_here(
    tmp_path: Path, *, built: bool, allowed: str, severity: str
) -> None:
    shop = open_shop()
    a_builder_path_in_direct_url(shop)
    carries = {"numpy": (allowed,)} if allowed else {}
    built_here = frozenset({"numpy"} if built else {})
    shop.policy = replace(shop.policy, built_here=built_here, carries_paths=carries)
    (found,) = [one for one in shop.audit(tmp_path).findings if one.rule == "builder-path"]
    assert found.severity == severity


def _words(item: tuple[str, str, Spoil]) -> str:
    return item[2].__name__


@pytest.mark.parametrize("item", DEFECTS, ids=_words)
def test_one_defect_is_reported_by_its_check_alone(tmp_path: Path, item: tuple[str, str, Spoil]) -> None:
    check, rule, spoil = item
    shop = open_shop()
    spoil(shop)
    report = shop.audit(tmp_path)
    found = {(one.check, one.rule) for one in report.findings if one.severity != "note" or one.rule == rule}
    assert (check, rule) in found
    assert {one for one, _ in found} == {check}, report.findings
    assert all(one.message and one.repair for one in report.findings)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_wheelhouse_without_a_defect_is_clean(tmp_path: Path, machine: str) -> None:
    if shutil.which("aarch64-linux-gnu-g++") is None and machine == "aarch64":
        pytest.skip("no cross compiler")
    report = open_shop(machine).audit(tmp_path)
    assert report.clean
    assert not report.of("warning")
    assert list(report.left_to_host.values()) == [1]


def test_there_are_at_least_forty_defects_of_every_check() -> None:
    assert len(DEFECTS) >= 40
    assert {check for check, _, _ in DEFECTS} == {
        "link-closure",
        "cxx-abi",
        "ownership",
        "metadata",
        "undeclared-imports",
        "cell",
        "hygiene",
    }


def test_a_cuda_build_stops_torch_and_only_warns_of_torchvision(tmp_path: Path) -> None:
    shop = open_shop()
    a_cuda_build_of_a_package_that_does_without(shop)
    assert shop.audit(tmp_path / "vision").clean
    shop = open_shop()
    a_cuda_build_of_torch(shop)
    assert not shop.audit(tmp_path / "torch").clean


def test_a_pair_that_upstream_does_not_state_is_a_warning_where_a_stack_lists_it(tmp_path: Path) -> None:
    shop = open_shop()
    a_triton_ascend_for_an_older_cann(shop)
    assert not shop.audit(tmp_path / "unlisted").clean
    versions = {"torch": "2.8.0", "triton_ascend": "3.2.0rc4", "cann": "8.5.0"}
    policy = shop.policy
    listed = KnownStack(
        name="known", versions=versions, machines=frozenset({"x86_64"}), npus=frozenset({policy.target.npu})
    )
    shop.hold_to(stacks=(*policy.stacks, listed))
    report = shop.audit(tmp_path / "listed")
    assert report.clean
    assert [one.rule for one in report.of("warning")] == ["triton-cann"]
