"""Defects of what wheels install and what they say of themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from defects import defect
from shop import Shop, compiled, deep_ep_files

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
def two_entry_points_of_one_name(shop: Shop) -> None:
    for name in ("first", "second"):
        entry = f"[console_scripts]\nserve = {name}:main\n"
        shop.add(name, {f"{name}.py": "", f"{name}-1.0.dist-info/entry_points.txt": entry})


@defect("ownership", "shared-path")
def one_path_by_way_of_a_data_folder(shop: Shop) -> None:
    shop.add("first", {"six.py": "x = 1\n"})
    shop.add("second", {"second-1.0.data/purelib/six.py": "x = 2\n"})


@defect("ownership", "shared-path")
def one_path_by_way_of_the_environments_root(shop: Shop) -> None:
    shop.add("first", {"six.py": "x = 1\n"})
    inside = "second-1.0.data/data/lib/python3.11/site-packages/six.py"
    shop.add("second", {"second.py": "", inside: "x = 2\n"})


@defect("ownership", "shared-path")
def two_wheels_with_one_data_file(shop: Shop) -> None:
    for name in ("first", "second"):
        shop.add(name, {f"{name}.py": "", f"{name}-1.0.data/data/etc/serve.conf": name})


@defect("ownership", "shared-path")
def two_wheels_with_one_pth_file(shop: Shop) -> None:
    for name in ("first", "second"):
        shop.add(name, {f"{name}.py": "", "start.pth": f"import {name}\n"})


@defect("ownership", "path-twice")
def one_wheel_with_two_files_for_one_path(shop: Shop) -> None:
    shop.add("first", {"first.py": "x = 1\n", "first-1.0.data/purelib/first.py": "x = 2\n"})


@defect("ownership", "path-twice")
def a_script_and_an_entry_point_of_one_name_in_one_wheel(shop: Shop) -> None:
    entry = "[console_scripts]\nserve = first:main\n"
    script = "#!python\n"
    files: dict[str, str | bytes] = {"first.py": "", "first-1.0.data/scripts/serve": script}
    shop.add("first", files | {"first-1.0.dist-info/entry_points.txt": entry})


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


@defect("ownership", "hidden-module")
def a_module_that_a_package_of_another_wheel_hides(shop: Shop) -> None:
    shop.add("first", {"six.py": ""})
    shop.add("second", {"six/__init__.py": ""})


@defect("ownership", "hidden-module")
def a_namespace_that_a_module_of_another_wheel_hides(shop: Shop) -> None:
    shop.add("first", {"six.py": ""})
    shop.add("second", {"six/moves/urllib.py": ""})


@defect("ownership", "hidden-module")
def a_module_below_a_namespace_that_a_compiled_one_hides(shop: Shop) -> None:
    shop.add("first", {"space/six.py": ""})
    tag = "cp311-abi3-manylinux_2_17_x86_64"
    shop.add("second", {"space/six.abi3.so": compiled("six.abi3.so", "int six = 6;")}, tag=tag)


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


@defect("metadata", "record-missing")
def a_member_called_record_that_record_does_not_name(shop: Shop) -> None:
    with TemporaryDirectory() as folder:
        lines = lines_of(shop, Path(folder), "numpy")
    shop.wheels["numpy"].files["numpy/RECORD"] = "1,2,3\n"
    shop.wheels["numpy"].record_text = "\n".join([*lines, ""])


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


@defect("metadata", "record-missing")
def an_empty_record(shop: Shop) -> None:
    shop.wheels["numpy"].record_text = ""


def add_entry(shop: Shop, text: str) -> None:
    shop.add("first", {"first.py": "", "first-1.0.dist-info/entry_points.txt": text})


@defect("metadata", "entry-points")
def an_entry_point_without_a_callable(shop: Shop) -> None:
    add_entry(shop, "[console_scripts]\nserve = first\n")


@defect("metadata", "entry-points")
def entry_points_without_a_section(shop: Shop) -> None:
    add_entry(shop, "serve = first:main\n")


@defect("metadata", "entry-points")
def an_entry_point_that_leaves_the_environment(shop: Shop) -> None:
    add_entry(shop, "[console_scripts]\n../../serve = first:main\n")


@defect("metadata", "data-folder")
def a_data_folder_that_no_installer_knows(shop: Shop) -> None:
    shop.add("first", {"first.py": "", "first-1.0.data/etc/first.conf": ""})


@defect("metadata", "data-folder")
def a_file_at_the_top_of_data(shop: Shop) -> None:
    shop.add("first", {"first.py": "", "first-1.0.data/first.conf": ""})


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


@defect("metadata", "unread-field")
def a_requirement_that_cannot_be_read(shop: Shop) -> None:
    shop.wheels["numpy"].metadata = ["Requires-Dist: wheelbarrow (>=1.*)"]


@defect("metadata", "unread-field")
def a_requirement_that_is_no_utf_8(shop: Shop) -> None:
    head = b"Metadata-Version: 2.1\nName: numpy\nVersion: 1.26.4\n"
    shop.wheels["numpy"].metadata_text = head + b"Requires-Dist: pyyaml\nRequires-Dist: wheelbarrow\xff\n\n"


@defect("metadata", "unread-field")
def a_requires_python_that_cannot_be_read(shop: Shop) -> None:
    shop.wheels["numpy"].metadata = ["Requires-Python: >=3.5.*"]


@defect("metadata", "not-closed")
def a_requirement_beside_a_requires_python_that_cannot_be_read(shop: Shop) -> None:
    shop.wheels["numpy"].metadata = ["Requires-Python: >=3.5.*", "Requires-Dist: wheelbarrow"]


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
    shop.add("deep_ep", deep_ep_files(), version="1.0.0")
    shop.hold_to(origins={"deep_ep-1.0.0-py3-none-any.whl": "index"})


@defect("metadata", "closed-name")
def the_cuda_project_of_a_closed_name(shop: Shop) -> None:
    shop.add("deep_ep", deep_ep_files(), metadata=["Requires-Dist: nvidia-nvshmem-cu12"])
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
