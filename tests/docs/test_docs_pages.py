"""Links, navigation, generated pages, and words that have no place in prose."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
GENERATED = ("command-line.md", "configuration.md", "tables.md")
LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")


class _Loader(yaml.SafeLoader):
    """YAML of mkdocs.yml."""


def headings(page: Path) -> set[str]:
    """Anchors of a page."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", t.replace("`", "").lower()).strip().replace(" ", "-") for t in titles}


def test_every_link_leads_somewhere():
    checked = 0
    for page in PAGES:
        for _, target in LINK.findall(page.read_text(encoding="utf-8")):
            if target.startswith(("http", "mailto")):
                continue
            path, _, anchor = target.partition("#")
            there = (page.parent / path).resolve() if path else page
            assert there.exists(), f"{page.relative_to(ROOT)} links to {target}"
            if anchor:
                assert anchor in headings(there), f"{page.relative_to(ROOT)} links to {target}"
            checked += 1
    assert checked >= 48  # no page lost a link unnoticed


def test_every_page_is_in_the_navigation():
    nav = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), _Loader)["nav"]

    def files(entry):
        if isinstance(entry, str):
            return [entry]
        return [f for value in (entry.values() if isinstance(entry, dict) else entry) for f in files(value)]

    listed = files(nav)
    there = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if "decisions" not in page.parts}
    assert len(listed) == len(set(listed))
    assert set(listed) - {"decisions/README.md"} == there
    assert len(there) >= 20


def test_decisions_are_linked_from_their_list():
    pages = {page.name for page in (DOCS / "decisions").glob("0*.md")}
    linked = set(re.findall(r"\((0[^)]+\.md)\)", (DOCS / "decisions" / "README.md").read_text()))
    assert pages <= linked


def make():
    """The script that writes the generated pages."""
    specification = importlib.util.spec_from_file_location("make_reference", DOCS / "reference" / "make.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["command_line", "configuration", "tables"])
def test_generated_pages_are_up_to_date(name):
    page = DOCS / "reference" / f"{name.replace('_', '-')}.md"
    assert page.read_text(encoding="utf-8") == getattr(make(), name)(), "run python docs/reference/make.py"


def test_every_documented_object_exists():
    names = re.findall(r"^::: (\S+)$", (DOCS / "reference" / "python.md").read_text(), re.M)
    for name in names:
        parts = name.split(".")
        for split in range(len(parts), 0, -1):
            if importlib.util.find_spec(".".join(parts[:1])) is None:
                break
            try:
                found = importlib.import_module(".".join(parts[:split]))
            except ModuleNotFoundError:
                continue
            for part in parts[split:]:
                found = getattr(found, part)
            assert found is not None
            break
        else:
            pytest.fail(f"{name} does not exist")
    assert len(names) > 40


def test_the_doctors_page_has_every_check():
    page = (DOCS / "how-to" / "doctor.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([^`]+)` \|", page, re.M))
    code = "".join(path.read_text() for path in sorted((ROOT / "src/samadapt/data/doctor").glob("check_*.py")))
    literals = set(re.findall(r'"([a-z][a-z -]+)"', code))
    assert listed <= literals
    assert len(listed) == 18


def test_pages_are_plain():
    banned = re.compile(
        r"\b(state[- ]of[- ]the[- ]art|seamless\w*|blazing\w*|powerful|cutting[- ]edge|leverag\w+|unlock\w*"
        r"|effortless\w*|revolution\w*|game[- ]chang\w*|robustly|delve|TODO|FIXME)\b",
        re.I,
    )
    for page in PAGES:
        found = banned.search(page.read_text(encoding="utf-8"))
        assert not found, f"{page.relative_to(ROOT)} says {found[0]!r}"


def test_lines_fit_a_screen():
    long = [
        f"{page.relative_to(ROOT)}:{number}"
        for page in PAGES
        if page.name not in GENERATED and "decisions" not in page.parts and page.name != "CONTRIBUTING.md"
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > 140 and not line.lstrip().startswith("|")
    ]
    assert not long
