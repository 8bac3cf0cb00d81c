"""Check that every relative link in the Markdown files leads to a file, and every #anchor to a heading."""

from __future__ import annotations

import re
import sys
from pathlib import Path

LINK = re.compile(r"\[[^\]\[]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+?) *#*$", re.MULTILINE)
REMOTE = ("http://", "https://", "mailto:")


def anchors(text: str) -> set[str]:
    """The anchors a forge gives the headings of a Markdown file: lower case, no punctuation, dashes for spaces."""
    headings = HEADING.findall(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> list[str]:
    """What is wrong with the links of one page."""
    troubles = []
    for link in LINK.findall(CODE.sub("", page.read_text())):
        if link.startswith(REMOTE):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists():
            troubles.append(f"{page}: {link}: there is no {target}")
        elif anchor and anchor not in anchors(target.read_text()):
            troubles.append(f"{page}: {link}: no heading #{anchor}")
    return troubles


def main() -> int:
    root = Path(__file__).parents[1]
    pages = [*root.glob("*.md"), *(root / "docs").rglob("*.md")]
    troubles = [trouble for page in sorted(pages) for trouble in broken(page)]
    print(*troubles or [f"{len(pages)} pages, no broken link"], sep="\n")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
