"""The bill of materials, from small wheels made on the spot."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from ascend_wheelhouse.cells.recipe_files import load_recipes
from ascend_wheelhouse.folder.provenance import statement
from ascend_wheelhouse.folder.sbom import write_sbom

_GRAFT = "demo.libs/libgomp-0123.so.1"


def _wheel(folder: Path, name: str, headers: str = "", record: str = "") -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        info = f"{name}-1.0.dist-info"
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{headers}\n"
        )
        archive.writestr(f"{info}/RECORD", record)
    return path


def _entry(path: Path, kind: str, name: str) -> dict[str, Any]:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {
        "path": f"{kind}s/{path.name}",
        "size": path.stat().st_size,
        "sha256": digest,
        "kind": kind,
        "name": name,
        "version": "1.0",
        "component": None,
        "origin": "index",
        "note": "licence: as the vendor's page says" if kind == "payload" else "",
    }


def _manifest(*files: dict[str, Any]) -> dict[str, Any]:
    return {
        "tool": "ascend-wheelhouse 0.1.0",
        "stack": "demo-torch2.8.0",
        "platform": "aarch64",
        "complete": False,
        "cell": {"torch": "2.8.0", "machine": "aarch64", "npu": "a3"},
        "files": list(files),
        "pending": [{"component": "cann-toolkit", "reason": "no origin answered", "supply": ""}],
    }


def _only_component(document: bytes) -> dict[str, Any]:
    (component,) = json.loads(document)["components"]
    assert isinstance(component, dict)
    return component


def test_the_document_is_valid_cyclonedx_1_6(tmp_path: Path) -> None:
    wheel = _wheel(tmp_path, "demo", "License-Expression: MIT\nProject-URL: Homepage, https://demo.example\n")
    payload = tmp_path / "Ascend-cann-toolkit.run"
    payload.write_bytes(b"#!/bin/sh\n")
    manifest = _manifest(_entry(wheel, "wheel", "demo"), _entry(payload, "payload", "cann-toolkit"))

    document = write_sbom(manifest, [wheel])

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(document.decode()) is None


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://demo.example/a b", ["https://demo.example/a%20b"]),
        ("https://demo.example/%zz{}|", []),
        ("git@demo.example:demo/demo.git", []),
        ("UNKNOWN", []),
        ("", []),
    ],
)
def test_what_no_url_is_among_the_links_is_left_out(tmp_path: Path, url: str, told: list[str]) -> None:
    wheel = _wheel(tmp_path, "demo", f"Project-URL: Source, {url}\n")

    document = write_sbom(_manifest(_entry(wheel, "wheel", "demo")), [wheel])

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(document.decode()) is None
    found = _only_component(document).get("externalReferences", [])
    assert [one["url"] for one in found] == told


def test_equal_wheelhouses_give_equal_documents(tmp_path: Path) -> None:
    first, second = _wheel(tmp_path, "first"), _wheel(tmp_path, "second")
    entries = [_entry(first, "wheel", "first"), _entry(second, "wheel", "second")]

    forwards = write_sbom(_manifest(*entries), [first, second])
    backwards = write_sbom(_manifest(*reversed(entries)), [second, first])

    assert forwards == backwards
    assert "timestamp" not in json.loads(forwards)["metadata"]


def test_a_changed_wheel_changes_the_serial_number(tmp_path: Path) -> None:
    wheel = _wheel(tmp_path, "demo")
    entry = _entry(wheel, "wheel", "demo")

    one = json.loads(write_sbom(_manifest(entry), [wheel]))
    other = json.loads(write_sbom(_manifest({**entry, "sha256": "0" * 64}), [wheel]))

    assert one["serialNumber"] != other["serialNumber"]


def test_a_wheel_carries_purl_hash_and_origin(tmp_path: Path) -> None:
    wheel = _wheel(tmp_path, "Demo_Pack")
    entry = _entry(wheel, "wheel", "Demo_Pack")

    component = _only_component(write_sbom(_manifest(entry), [wheel]))

    assert component["purl"] == f"pkg:pypi/demo-pack@1.0?file_name={wheel.name}"
    assert component["hashes"] == [{"alg": "SHA-256", "content": entry["sha256"]}]
    assert {"name": "ascend-wheelhouse:origin", "value": "index"} in component["properties"]


def test_grafted_libraries_are_nested_with_the_hash_that_record_states(tmp_path: Path) -> None:
    wheel = _wheel(tmp_path, "demo", record=f"{_GRAFT},sha256={'A' * 43},10\ndemo/x.py,sha256={'B' * 43},1\n")

    component = _only_component(write_sbom(_manifest(_entry(wheel, "wheel", "demo")), [wheel]))

    (nested,) = component["components"]
    assert nested["name"] == "libgomp-0123.so.1"
    assert nested["hashes"][0]["content"] == "00" * 32


def test_a_grafted_library_whose_record_line_has_another_digest_is_hashed(tmp_path: Path) -> None:
    wheel = _wheel(tmp_path, "demo", record=f"{_GRAFT},sha512={'A' * 86},3\ndemo.libs/gone.so,sha512=,1\n")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr(_GRAFT, b"elf")

    component = _only_component(write_sbom(_manifest(_entry(wheel, "wheel", "demo")), [wheel]))

    (nested,) = component["components"]
    assert nested["name"] == "libgomp-0123.so.1"
    assert nested["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(b"elf").hexdigest()}]


def test_a_library_of_a_containers_image_is_told_with_the_image(tmp_path: Path) -> None:
    image = f"quay.io/demo/builder@sha256:{'c' * 64}"
    note = f"built here; grafted libgomp.so.1 (sha256 {'0123' + 'f' * 60}) of {image}, libz.so.1 of zlib1g_1_arm64.deb"
    path = "demo.libs/libgomp-0123ffff.so.1"
    wheel = _wheel(tmp_path, "demo", record=f"{path},sha256={'A' * 43},10\n{_GRAFT},sha256={'A' * 43},10\n")
    entry = {**_entry(wheel, "wheel", "demo"), "origin": "git", "note": note}

    component = _only_component(write_sbom(_manifest(entry), [wheel]))

    told = {
        one["name"]: {p["name"]: p["value"] for p in one["properties"]} for one in component["components"]
    }
    undeclared = {"ascend-wheelhouse:licence": "not declared"}
    assert told["libgomp-0123.so.1"] == undeclared
    assert told["libgomp-0123ffff.so.1"] == undeclared | {
        "ascend-wheelhouse:image": image,
        "ascend-wheelhouse:library-sha256": "0123" + "f" * 60,
    }


@pytest.mark.parametrize("origin", ["vendored", "archive", "sdist", "find-links"])
def test_a_file_that_is_not_the_indexs_own_is_told_by_its_digest(tmp_path: Path, origin: str) -> None:
    wheel = _wheel(tmp_path, "demo")
    entry = {**_entry(wheel, "wheel", "demo"), "origin": origin}

    component = _only_component(write_sbom(_manifest(entry), [wheel]))

    assert component["purl"] == f"pkg:pypi/demo@1.0?checksum=sha256:{entry['sha256']}&file_name={wheel.name}"


def test_what_no_index_supplies_is_no_project_of_the_index(tmp_path: Path) -> None:
    wheel, user = _wheel(tmp_path, "deep_ep"), _wheel(tmp_path, "demo", "Requires-Dist: deep-ep\n")
    entry = {**_entry(wheel, "wheel", "deep-ep"), "component": "deep-ep", "origin": "vendored"}
    manifest = _manifest(entry, _entry(user, "wheel", "demo"))
    manifest["components"] = [{"name": "deep-ep", "indexed": False}, {"name": "demo", "indexed": True}]

    document = json.loads(write_sbom(manifest, [wheel, user]))

    purl = f"pkg:generic/deep-ep@1.0?checksum=sha256:{entry['sha256']}&file_name={wheel.name}"
    assert [one["purl"] for one in document["components"] if one["name"] == "deep-ep"] == [purl]
    edges = {edge["ref"]: edge.get("dependsOn", []) for edge in document["dependencies"]}
    assert edges[f"pkg:pypi/demo@1.0?file_name={user.name}"] == [purl]
    predicate = json.loads(statement({**manifest, "derived": False}, b""))["predicate"]
    uris = [one["uri"] for one in predicate["buildDefinition"]["resolvedDependencies"]]
    assert uris == ["pkg:generic/deep-ep@1.0", "pkg:pypi/demo@1.0"]


def test_the_components_of_a_wheelhouse_say_what_no_index_supplies() -> None:
    rows = [
        recipe
        for recipe in load_recipes(Path(__file__).parents[2] / "recipes").values()
        if recipe.kind == "wheel"
    ]

    foreign = {recipe.name for recipe in rows if not recipe.indexed}

    assert foreign == {"custom-ops", "deep-ep", "sgl-kernel-npu", "torch-memory-saver"}


def test_payloads_are_named_with_their_licence_note(tmp_path: Path) -> None:
    payload = tmp_path / "Ascend-cann-toolkit_8.3.RC2_linux-aarch64.run"
    payload.write_bytes(b"#!/bin/sh\n")

    component = _only_component(write_sbom(_manifest(_entry(payload, "payload", "cann-toolkit")), []))

    assert component["purl"].startswith("pkg:generic/cann-toolkit@1.0?checksum=sha256:")
    assert {"name": "ascend-wheelhouse:note", "value": "licence: as the vendor's page says"} in component[
        "properties"
    ]


def test_dependencies_are_those_of_the_target_machine(tmp_path: Path) -> None:
    needs = (
        'Requires-Dist: here ; platform_machine == "aarch64"\n'
        'Requires-Dist: elsewhere ; platform_machine == "x86_64"\nRequires-Dist: not a requirement\n'
    )
    wheels = [_wheel(tmp_path, "demo", needs), _wheel(tmp_path, "here"), _wheel(tmp_path, "elsewhere")]
    entries = [_entry(wheel, "wheel", wheel.name.split("-")[0]) for wheel in wheels]

    document = json.loads(write_sbom(_manifest(*entries), wheels))

    edges = {edge["ref"]: edge.get("dependsOn", []) for edge in document["dependencies"]}
    (demo,) = [ref for ref in edges if ref.startswith("pkg:pypi/demo@")]
    assert [ref.split("@")[0] for ref in edges[demo]] == ["pkg:pypi/here"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ("License-Expression: Apache-2.0 AND MIT\n", {"expression": "Apache-2.0 AND MIT"}),
        ("License-Expression: MIT\n", {"license": {"id": "MIT"}}),
        ("License: Apache 2.0\n", {"license": {"id": "Apache-2.0"}}),
        ("Classifier: License :: OSI Approved :: MIT License\n", {"license": {"id": "MIT"}}),
        ("Classifier: License :: OSI Approved :: BSD License\n", {"license": {"name": "BSD License"}}),
        (
            "License: BSD-3-Clause\nClassifier: License :: OSI Approved :: BSD License\n",
            {"license": {"id": "BSD-3-Clause"}},
        ),
        ("License: As the file says\n", {"license": {"name": "As the file says"}}),
        ("License: UNKNOWN\n", None),
        ("", None),
    ],
)
def test_licences_are_said_in_spdx_only_where_certain(
    tmp_path: Path, headers: str, expected: dict[str, Any] | None
) -> None:
    wheel = _wheel(tmp_path, "demo", headers)

    component = _only_component(write_sbom(_manifest(_entry(wheel, "wheel", "demo")), [wheel]))

    found = component.get("licenses", [])
    for licence in found:
        licence.pop("acknowledgement", None)
        licence.get("license", {}).pop("acknowledgement", None)
    assert found == ([expected] if expected else [])


def test_what_is_pending_is_said(tmp_path: Path) -> None:
    wheel = _wheel(tmp_path, "demo")

    document = json.loads(write_sbom(_manifest(_entry(wheel, "wheel", "demo")), [wheel]))

    properties = {item["name"]: item["value"] for item in document["metadata"]["properties"]}
    assert properties["ascend-wheelhouse:complete"] == "false"
    assert properties["ascend-wheelhouse:pending:cann-toolkit"] == "no origin answered"
