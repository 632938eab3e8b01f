"""The documentation as a site: every page is reached, every link leads somewhere, and the reference has all names."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from reference.__main__ import write_pages
from reference.llms import llms_text
from reference.markdown import from_docstring
from reference.names import exported

from condetr.cli.examples import EXAMPLES
from condetr.training.settings import TrainingSettings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.glob("*.md"))
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "reference"
    write_pages(folder)
    for page in PAGES:
        (folder.parent / page.name).write_bytes(page.read_bytes())
    return folder


def navigation(part):
    if isinstance(part, str):
        return [part]
    return [page for entry in (part.values() if isinstance(part, dict) else part) for page in navigation(entry)]


def test_every_page_is_in_the_navigation(reference):
    listed = navigation(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    assert len(set(listed)) == len(listed)
    written = [page for page in listed if page.startswith("reference/")]
    assert all((reference.parent / page).is_file() for page in written)
    assert sorted(set(listed) - set(written)) == [page.name for page in PAGES]


def anchors(text):
    """As GitHub and the site make them from headings."""
    headings = re.findall(
        r"^#+ (.+)$", _CODE.sub(lambda code: code[0] if "\n" not in code[0] else "", text), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"], ids=lambda p: p.name
)
def test_links_lead_somewhere(page, reference):
    text = page.read_text(encoding="utf-8")
    for link in _LINK.findall(_CODE.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if path.startswith("reference/"):
            target = reference.parent / path
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


def test_the_reference_has_every_command_setting_and_name(reference):
    pages = {
        path.relative_to(reference).as_posix(): path.read_text(encoding="utf-8") for path in reference.rglob("*.md")
    }
    assert {f"commands/{words.replace(' ', '-')}.md" for words in EXAMPLES} <= pages.keys()
    assert "| `--minutes` `X` |" in pages["commands/train.md"]
    assert "condetr data rename DATA OUT OLD=NEW... [OPTIONS]\n" in pages["commands/data-rename.md"]
    assert f"\n```sh\n{EXAMPLES['data rename'][0]}\n```\n" in pages["commands/data-rename.md"]
    assert all(f"| `{name}` |" in pages["settings.md"] for name in [spec.name for spec in fields(TrainingSettings)])
    python = pages["python.md"] + pages["transformers.md"] + pages["errors.md"]
    assert all(f"\n## {name}\n" in python for name in exported())
    assert {"load", "Detector", "ConditionalDetrForObjectDetection", "CondetrError"} <= set(exported())
    assert "### Detector.train" in python
    assert " at 0x" not in python


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_begins_with_what_it_is_about(page):
    heading, beginning = page.read_text(encoding="utf-8").split("\n\n")[:2]
    assert re.fullmatch("# .+", heading)
    assert re.match(r"(?!```|#|<!--|\||- |    )", beginning)


def test_llms_txt_lists_every_page_with_its_first_sentence(reference):
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    text = llms_text(config, reference.parent)
    listed = [re.sub(r"(^|/)index\.md$", r"\1", page).replace(".md", "/") or "./" for page in navigation(config["nav"])]
    assert re.findall(r"^- \[[^\]]+\]\(([^)]*)\)", text, re.MULTILINE) == listed
    assert [line.partition("# ")[2] for line in text.splitlines() if line.startswith("## ")] == [
        title for section in config["nav"] for title in section
    ]
    assert (
        "\n- [Your own images in fifteen minutes](own_images/): You need a folder of labeled images, and a laptop.\n"
        in text
    )


def test_sections_of_a_docstring_become_lists():
    """Does a thing.

    Args:
        first: of them,
            which goes on.
        second: ``x``.

    Returns:
        What it is.
    """
    text = from_docstring(test_sections_of_a_docstring_become_lists.__doc__)
    assert text == (
        "Does a thing.\n\n**Args**\n\n- **first**: of them, which goes on.\n- **second**: `x`.\n\n"
        "**Returns**\n\nWhat it is."
    )
