"""Defects of shared objects: what they need and do not find, and another C++ ABI."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from defects import defect, put_library
from shop import ACL, C10, NPU, Shop, compiled, npu_library

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


@defect("link-closure", "missing-library")
def a_library_that_is_named_by_the_path_at_which_it_was_linked(shop: Shop) -> None:
    source = 'extern "C" int price(); extern "C" int shop() { return price(); }'
    with TemporaryDirectory() as folder:
        base = ["g++", "-shared", "-fPIC", "-nostartfiles", "-x", "c++", "-"]
        for text, words in (
            ('extern "C" int price() { return 1; }', ["-o", "lib/libprice.so"]),
            (source, ["-o", "_C.so", "-x", "none", "lib/libprice.so", "-Wl,-rpath,$ORIGIN"]),
        ):
            (Path(folder) / "lib").mkdir(exist_ok=True)
            subprocess.run([*base, *words], check=True, cwd=folder, input=text.encode())
        files = {one: (Path(folder) / one).read_bytes() for one in ("_C.so", "lib/libprice.so")}
    shop.wheels["torchvision"].files |= {f"torchvision/{name}": data for name, data in files.items()}


@defect("link-closure", "soname-alone")
def a_library_whose_link_the_wheel_could_not_hold(shop: Shop) -> None:
    source = 'extern "C" int price(); extern "C" int shop() { return price(); }'
    price = (("libprice.so.1", 'extern "C" int price() { return 1; }'),)
    made = compiled("_C.so", source, ("-L.", "-l:libprice.so.1", "-Wl,-rpath,$ORIGIN"), price)
    shop.wheels["torchvision"].files |= {
        "torchvision/_C.so": made,
        "torchvision/libprice.so.1.2": compiled(*price[0]),
    }


@defect("link-closure", "no-own-library")
def a_wheel_of_kernels_without_its_kernels(shop: Shop) -> None:
    shop.add("deep_ep", {"deep_ep/__init__.py": ""}, version="1.0.0+0123abcd.cann8.3.rc2.a3")


@defect("link-closure", "no-own-library")
def a_library_that_is_none(shop: Shop) -> None:
    shop.add("sgl_kernel_npu", {"sgl_kernel_npu/lib/libsgl_kernel_npu.so": "INPUT(-lother)"}, version="1.0")


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


@defect("link-closure", "symbol-version")
def a_version_without_a_symbol(shop: Shop) -> None:
    source = (
        "#include <cstdlib>\nint x; int *first = &x; int *second = &x; int here() { return std::rand(); }"
    )
    made = compiled("_C.so", source, ("-Wl,-z,pack-relative-relocs",))
    shop.wheels["torchvision"].files["torchvision/_C.so"] = made


@defect("link-closure", "symbol-version")
def a_version_that_a_weak_symbol_alone_asks_for(shop: Shop) -> None:
    source = 'extern "C" __attribute__((weak)) int rand(); int here() { return rand ? rand() : 0; }'
    made = compiled("_C.so", source, ("-Wl,--no-as-needed", "-lc"))
    shop.wheels["torchvision"].files["torchvision/_C.so"] = made.replace(b"GLIBC_2.2.5", b"GLIBC_2.352")


@defect("link-closure", "symbol-version")
def a_newer_symbol_in_an_object_that_offers_none(shop: Shop) -> None:
    source = (
        "#include <cstdlib>\n__attribute__((constructor)) static void here() { std::srand(std::rand()); }"
    )
    made = compiled("_C.so", source, ("-Wl,--hash-style=gnu",))
    shop.wheels["torchvision"].files["torchvision/_C.so"] = made.replace(b"GLIBC_2.2.5", b"GLIBC_2.352")


@defect("link-closure", "missing-symbols")
def a_missing_symbol_in_an_object_that_offers_none(shop: Shop) -> None:
    source = 'extern "C" int nowhere(); __attribute__((constructor)) static void here() { nowhere(); }'
    shop.wheels["torchvision"].files["torchvision/_C.so"] = compiled(
        "_C.so", source, ("-Wl,--hash-style=gnu",)
    )


@defect("link-closure", "machine")
def an_object_for_the_other_machine(shop: Shop) -> None:
    made = bytearray(compiled("_C.so", "int c;", ("-Wl,-z,max-page-size=65536",)))
    struct.pack_into("<H", made, 18, 183)
    shop.wheels["torchvision"].files["torchvision/_C.so"] = bytes(made)


@defect("link-closure", "extension-name")
def an_extension_module_called_as_on_the_host_that_built_it(shop: Shop) -> None:
    made = compiled("_C.so", "int c;")
    shop.wheels["torchvision"].files["torchvision/_C.cpython-311-aarch64-linux-gnu.so"] = made


@defect("link-closure", "extension-name")
def an_extension_module_called_as_for_another_python(shop: Shop) -> None:
    made = compiled("_C.so", "int c;")
    shop.wheels["torchvision"].files["torchvision/_C.cpython-312-x86_64-linux-gnu.so"] = made


@defect("link-closure", "machine")
def an_object_of_32_bits(shop: Shop) -> None:
    made = bytearray(compiled("_C.so", "int c;"))
    made[4] = 1
    shop.wheels["torchvision"].files["torchvision/_C.so"] = bytes(made)


@defect("link-closure", "unreachable-library")
def a_library_of_a_wheel_that_is_not_imported(shop: Shop) -> None:
    other = compiled("_x.so", "int x;", ("-Wl,--no-as-needed", "-L.", "-lc10"), (("libc10.so", C10),))
    shop.add("lonely", {"lonely/__init__.py": "", "lonely/_x.so": other}, tag=shop.wheels["torch"].tag)


def linked_to_own(shop: Shop, *search: str) -> None:
    """Add a wheel whose module needs a library in another folder of it."""
    other = (("libown.so", "int own() { return 1; }"),)
    module = compiled("_x.so", "int own(); int x() { return own(); }", ("-L.", "-lown", *search), other)
    library = compiled(*other[0])
    files: dict[str, str | bytes] = {
        "first/__init__.py": "",
        "first/lib/libown.so": library,
        "first/_x.so": module,
    }
    shop.add("first", files, tag=shop.wheels["torch"].tag)


@defect("link-closure", "unreachable-library")
def a_library_of_the_own_wheel_without_a_search_path(shop: Shop) -> None:
    linked_to_own(shop, "-Wl,-rpath,$ORIGIN/lib64")


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
