"""Code blocks of Markdown pages, and how they are run."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from samadapt.cli.main import main

_BLOCK = re.compile(r"(?:<!-- (?P<mark>[^>]*?) -->\n)?^```(?P<info>[^\n]*)\n(?P<code>.*?)^```$", re.M | re.S)
_TITLE = re.compile(r'title="([^"]+)"')
# Few and small cases where a page makes many, so that it takes seconds; everything else runs as it is written.
_SHORTER = {
    "synth --kind flare22 --cases 10": ["-s", "shape=[8, 64, 64]", "-s", "cases=6"],
    "synth --kind flare22 --cases 24": ["-s", "shape=[8, 64, 64]", "-s", "cases=6"],
    "demo": ["-s", "cases=6"],
    "prepare": ["-s", "workers=0"],
    "corpus": ["-s", "workers=0"],
}


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    language: str
    title: str
    code: str
    mark: str
    line: int

    @property
    def reason(self) -> str:
        """Why it is not run, or ""."""
        return self.mark.removeprefix("not run:").strip() if self.mark.startswith("not run") else ""

    @property
    def exit_code(self) -> int:
        """What its last command ends with."""
        return int(self.mark.rpartition(" ")[2]) if self.mark.startswith("exit code") else 0


def blocks_of(page: Path) -> list[Block]:
    """All blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        info = match["info"].strip()
        title = _TITLE.search(info)
        line = text[: match.start("info")].count("\n") + 1
        found.append(Block(info.split(" ")[0], title[1] if title else "", match["code"], match["mark"] or "", line))
    return found


def run_page(page: Path, folder: Path) -> Counter[str]:
    """Run the blocks of a page one after the other; returns how many ran, by language, and how many did not."""
    names: dict[str, object] = {"__name__": "__page__"}
    ran: Counter[str] = Counter()
    for block in blocks_of(page):
        if block.reason or block.language not in ("bash", "python", "yaml", "json"):
            if block.language in ("bash", "python"):
                ran["not run"] += 1
            continue
        if block.title:
            (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.title).write_text(block.code, encoding="utf-8")
        elif block.language == "bash":
            run_bash(block, page)
        elif block.language == "python":
            exec(compile(block.code, f"{page.name}:{block.line}", "exec"), names)
        ran[block.language] += 1
    return ran


def run_bash(block: Block, page: Path) -> None:
    """Run commands of samadapt in this process; any other command is a mistake in the page."""
    commands = [line for line in block.code.replace("\\\n", " ").splitlines() if line.strip()]
    for number, command in enumerate(commands):
        words = shlex.split(command, comments=True)
        assert words[0] == "samadapt", f"{page}:{block.line} runs {words[0]!r}; mark the block as not run"
        with pytest.raises(SystemExit) as left:
            main([*words[1:], *_shorter(" ".join(words[1:]))])
        expected = block.exit_code if number == len(commands) - 1 else 0
        assert (left.value.code or 0) == expected, f"{page}:{block.line}: {command}"


def _shorter(command: str) -> list[str]:
    return next((more for beginning, more in _SHORTER.items() if command.startswith(beginning)), [])
