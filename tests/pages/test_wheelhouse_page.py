from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from page_reading import Page
from shown_wheelhouse import Shown

from ascend_wheelhouse import console
from ascend_wheelhouse.pages import render, wheelhouse
from ascend_wheelhouse.pages.picture import picture
from ascend_wheelhouse.pages.view import read_view

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}</style></title>'


def shown(folder: Path, **values: object) -> str:
    """Return the page of a wheelhouse."""
    return wheelhouse.page(read_view(Shown(**values).write(folder / "wheelhouse")))  # type: ignore[arg-type]


def test_a_page_tells_cell_components_and_what_each_needs(tmp_path: Path) -> None:
    text = Page(shown(tmp_path)).text
    for told in ("small-aarch64", "8.3.RC2", "built from sdist", "package index", "Apache-2.0", "1.5 MB"):
        assert told in text
    assert "alpha needs 1 more wheel, nnal." in text
    assert "needed by 1" in text


def test_a_page_tells_what_is_pending_from_where_and_how_it_is_supplied(tmp_path: Path) -> None:
    page = Page(shown(tmp_path))
    assert "url: its server did not answer" in page.text
    assert "download nnal.run, then invoke vendor FILE" in page.text
    assert {"href": "https://nnal.example/nnal.run", "rel": "noreferrer"} in page.all("a")


def test_a_complete_wheelhouse_has_no_section_of_what_is_pending(tmp_path: Path) -> None:
    page = Page(shown(tmp_path, pending=False))
    assert "pending" not in page.ids
    assert "complete." in page.text


def test_a_page_tells_what_the_audit_found_and_what_to_do(tmp_path: Path) -> None:
    text = Page(shown(tmp_path)).text
    assert "no defect1 warning, 1 note" in text
    assert "the tags are not those of the file name" in text
    assert "To do: download nnal.run" in text
    assert "a remark" in text


def test_a_page_without_an_audit_says_so_and_names_the_command(tmp_path: Path) -> None:
    text = Page(shown(tmp_path, audited=False)).text
    assert "not run" in text
    assert "invoke audit --wheelhouse FOLDER" in text


def test_commands_in_the_reason_of_what_is_pending_are_shown_as_commands(tmp_path: Path) -> None:
    page = shown(tmp_path, reason="it holds source; `invoke build alpha` builds one")
    assert "it holds source; <code>invoke build alpha</code> builds one" in page


def test_markup_in_any_data_is_text(tmp_path: Path) -> None:
    page = Page(
        shown(
            tmp_path,
            summary=HOSTILE,
            licence=HOSTILE,
            link="javascript:alert(3)",
            note=HOSTILE,
            reason=HOSTILE,
            supply=HOSTILE,
            urls=["javascript:alert(4)", HOSTILE],
            finding=HOSTILE,
            stack="small",
            cell={"npu": HOSTILE, "<b>": HOSTILE},
            versions={"alpha": HOSTILE, "beta": HOSTILE},
        ).replace("wheels/", "")
    )
    assert page.text.count("<script>alert(1)</script>") > 10
    assert {"script", "img", "b"} & {name for name, _ in page.tags} == {"b"}
    assert len(page.all("b")) == 6  # the steps of the pipeline
    assert not [
        key for _, attributes in page.tags for key in attributes if key.startswith("on") or key == "style"
    ]
    assert not [one["href"] for one in page.all("a") if not one["href"].startswith(("#", "https://"))]
    assert "{{ 7*7 }}" in page.text


def test_a_page_is_well_formed_with_landmarks_headings_and_headed_tables(tmp_path: Path) -> None:
    page = Page(shown(tmp_path))
    assert (page.open, page.mismatched) == ([], [])
    names = [name for name, _ in page.tags]
    assert [names.count(one) for one in ("main", "header", "nav", "footer", "h1")] == [1, 1, 1, 1, 1]
    assert all(b - a <= 1 for a, b in zip(page.headings, page.headings[1:], strict=False))
    assert all("scope" in one for one in page.all("th"))
    assert all(
        (one["role"], one["aria-labelledby"], one["aria-describedby"]) == ("img", "pt", "pd")
        for one in page.all("svg")
    )
    assert page.all("html") == [{"lang": "en"}]


def test_every_reference_in_a_page_leads_somewhere_and_no_id_stands_twice(tmp_path: Path) -> None:
    page = Page(shown(tmp_path))
    assert len(page.ids) == len(set(page.ids))
    wanted = {one["href"][1:] for one in page.all("a") if one["href"].startswith("#")}
    wanted |= {
        name
        for _, one in page.tags
        for name in f"{one.get('aria-labelledby', '')} {one.get('aria-describedby', '')}".split()
    }
    assert wanted <= set(page.ids)
    assert page.all("a")[0] == {"class": "skip", "href": "#content"}


def test_the_policy_of_a_page_lets_its_own_style_sheet_in_and_nothing_else(tmp_path: Path) -> None:
    text = shown(tmp_path)
    (policy,) = [one["content"] for one in Page(text).all("meta") if "http-equiv" in one]
    assert policy == render.policy()
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert text.count("<style>") == 1
    assert "url(" not in render.style()
    assert "@import" not in render.style()


def test_equal_wheelhouses_give_equal_pages_in_any_process(tmp_path: Path) -> None:
    folder = Shown().write(tmp_path / "wheelhouse")
    code = "import sys; from pathlib import Path; from ascend_wheelhouse.pages import view, wheelhouse;"
    code += "sys.stdout.write(wheelhouse.page(view.read_view(Path(sys.argv[1]))))"
    pages = {
        subprocess.run(
            [sys.executable, "-c", code, str(folder)],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(pages) == 1
    assert re.search(rb"small-aarch64", pages.pop())


@pytest.mark.parametrize("name", ["audit.json", "sbom.cdx.json", "manifest.json"])
@pytest.mark.parametrize("text", ["", "{", "[]", '{"components": 3, "clean": 1}'])
def test_a_part_that_was_changed_is_refused_and_named(name: str, text: str, tmp_path: Path) -> None:
    folder = Shown().write(tmp_path / "wheelhouse")
    (folder / name).write_text(text)
    with pytest.raises(SystemExit) as ended, console.main_guard():
        read_view(folder)
    assert ended.value.code == 2


def test_a_wheelhouse_of_an_older_release_that_has_less_to_say_is_shown_all_the_same(tmp_path: Path) -> None:
    folder = Shown(audited=False).write(tmp_path / "wheelhouse")
    document = json.loads((folder / "manifest.json").read_text())
    for key in ("components", "notes", "serving", "post_install"):
        del document[key]
    (folder / "manifest.json").write_text(json.dumps(document))
    (folder / "sbom.cdx.json").unlink()
    text = Page(wheelhouse.page(read_view(folder))).text
    assert "not declared" in text
    assert "alpha" in text


def test_a_component_of_a_tool_and_a_wheel_has_one_box(tmp_path: Path) -> None:
    folder = Shown().write(tmp_path / "small")
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    tool = {**document["files"][0], "path": "tools/alpha.whl"}
    path.write_text(json.dumps({**document, "files": [*document["files"], tool]}))
    boxes = picture(read_view(folder)).boxes
    assert [box.name for box in boxes if box.name == "alpha"] == ["alpha"]
