"""Defects of what stands in wheels, and of wheels that do not go together: imports, the cell, hygiene."""

from __future__ import annotations

import stat
import struct
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from defects import defect, library, put_library
from making_wheels import PT_GNU_STACK, PT_LOAD, with_segment_flags, with_segment_kind
from shop import Shop, compiled, deep_ep_files, npu_library

KEY = "-----BEGIN PRIVATE KEY-----\n" + "QUJDREVGRw" * 12 + "\n-----END PRIVATE KEY-----\n"


# Undeclared imports


@defect("undeclared-imports", "missing-part")
def a_module_that_the_package_of_another_wheel_lacks(shop: Shop) -> None:
    shop.add("first", {"first/__init__.py": "import torch\nfrom triton.language.extra import x\n"})


@defect("undeclared-imports", "missing-own-module")
def a_wheel_without_a_package_of_its_own(shop: Shop) -> None:
    shop.add(
        "first",
        {"first/__init__.py": "", "first/cli.py": "", "first/sub.py": "from first.inner.deep import x\n"},
    )
    shop.wheels["first"].files["first/__init__.py"] = "from . import sub\n"


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
    shop.hold_to(cell={"cann": "10.0.0"})


@defect("cell", "triton-cann")
def a_triton_ascend_for_an_older_cann(shop: Shop) -> None:
    shop.hold_to(cell={"cann": "8.5.0"})


@defect("cell", "not-as-stated")
def a_version_other_than_the_manifest_states(shop: Shop) -> None:
    shop.hold_to(cell={"torch_npu": "2.8.0.post4"})


@defect("cell", "chip")
def a_build_for_the_other_chip(shop: Shop) -> None:
    shop.add("deep_ep", deep_ep_files(), version="1.0.0+0123abcd.cann8.3.rc2.910b")


@defect("cell", "chip-cann")
def a_build_with_another_cann(shop: Shop) -> None:
    shop.add("deep_ep", deep_ep_files(), version="1.0.0+0123abcd.cann8.5.0.a3")
    shop.hold_to(cell={"cann": "8.3.RC2"})


@defect("cell", "unlisted")
def a_combination_that_no_stack_lists(shop: Shop) -> None:
    shop.wheels["sglang"].version = "0.5.99"


# Hygiene


POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12\n"


@defect("hygiene", "no-object")
def a_pointer_of_git_lfs_in_place_of_an_extension_module(shop: Shop) -> None:
    shop.wheels["torchvision"].files["torchvision/_C.cpython-311-x86_64-linux-gnu.so"] = POINTER


@defect("hygiene", "no-object")
def an_empty_extension_module(shop: Shop) -> None:
    shop.wheels["torchvision"].files["torchvision/_C.abi3.so"] = ""


@defect("hygiene", "no-object")
def a_library_that_is_a_page(shop: Shop) -> None:
    shop.wheels["torchvision"].files["torchvision/libpng.so.16"] = "<html>Sign in</html>"


@defect("hygiene", "odd-name")
def a_path_that_hides_whose_file_it_replaces(shop: Shop) -> None:
    shop.add("first", {"first.py": "", "first/../numpy/__init__.py": ""})


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


@defect("hygiene", "exec-stack")
def an_object_that_says_nothing_of_the_stack(shop: Shop) -> None:
    put_library(shop, with_segment_kind(library(shop), PT_GNU_STACK, 0))


@defect("hygiene", "rpath")
def a_search_path_that_leaves_site_packages_from_where_the_object_is_installed(shop: Shop) -> None:
    made = compiled("_C.so", "int c;", ("-Wl,-rpath,$ORIGIN/../../lib",))
    shop.wheels["torchvision"].files["torchvision-0.23.0.data/platlib/torchvision/_C.so"] = made


@defect("hygiene", "rpath")
def a_search_path_with_an_empty_entry(shop: Shop) -> None:
    put_library(shop, npu_library(extra=("-Wl,-rpath,",)))


@defect("hygiene", "bad-object")
def an_object_cut_short(shop: Shop) -> None:
    shop.wheels["torchvision"].files["torchvision/_C.so"] = compiled("_C.so", "int c;")[:700]


@defect("hygiene", "odd-name")
def a_name_with_control_characters(shop: Shop) -> None:
    shop.wheels["numpy"].files["numpy/\x1b[31mred\x1b]0;title\x07.py"] = ""


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
def a_path_that_leaves_its_installation_scheme(shop: Shop) -> None:
    shop.wheels["numpy"].files["numpy-2.0.data/data/../../evil"] = "echo\n"


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


NUMPY_SCRIPTS = "numpy-1.26.4.dist-info/entry_points.txt"


@defect("metadata", "script-without-module")
def a_script_of_a_module_that_the_wheel_lacks(shop: Shop) -> None:
    shop.wheels["numpy"].files[NUMPY_SCRIPTS] = "[console_scripts]\nlost = numpy.tools.cli:main\n"


@defect("metadata", "script-without-module")
def a_script_of_a_module_that_no_wheel_has(shop: Shop) -> None:
    shop.wheels["numpy"].files[NUMPY_SCRIPTS] = "[console_scripts]\nlost = tools.flight:main\n"


@defect("metadata", "python-release")
def a_wheel_for_later_releases_of_python(shop: Shop) -> None:
    shop.wheels["numpy"].metadata = ["Requires-Python: >=3.11.4"]


@defect("metadata", "python-release")
def a_wheel_without_one_release_of_python(shop: Shop) -> None:
    shop.wheels["numpy"].metadata = ["Requires-Python: !=3.11.2"]


@defect("hygiene", "runs-at-start")
def a_pth_file_that_runs_code(shop: Shop) -> None:
    shop.wheels["numpy"].files["numpy-hook.pth"] = "# a path\nlib\nimport numpy; numpy.hook()\n"


@defect("hygiene", "runs-at-start")
def a_module_that_python_imports_at_its_start(shop: Shop) -> None:
    shop.wheels["numpy"].files["sitecustomize.py"] = ""
