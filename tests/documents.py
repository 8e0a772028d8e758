"""README and docs/ as tests read them: blocks of code, commands, answers, files, tables."""

import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
README = "README.md"
PAGES = {
    str(file.relative_to(REPOSITORY)): file.read_text(encoding="utf-8")
    for file in [REPOSITORY / README, *sorted((REPOSITORY / "docs").rglob("*.md"))]
}
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TABLE = re.compile(r"(?:^\|.*\|\n)+", re.MULTILINE)
_FILE = re.compile(r"# (\S+\.(?:py|toml|yaml))\n")


@dataclass(frozen=True)
class Answer:
    """What a document says that a command answers."""

    command: str
    text: str


def blocks(page: str, *languages: str) -> list[str]:
    """Returns the code of a page: `bash` is run, `sh` understood, `console` has answers."""
    found = _BLOCK.findall(PAGES[page])
    return [text for language, text in found if language in languages]


def programs(page: str) -> list[str]:
    """Returns the examples in Python that are no files of a name."""
    return [block for block in blocks(page, "python") if not _FILE.match(block)]


def commands(page: str, *languages: str) -> list[str]:
    """Returns the command lines of a page; a pipe or a backslash at the end of one goes on."""
    lines = [
        line.removeprefix("$ ")
        for language in languages
        for block in blocks(page, language)
        for line in block.replace("|\n ", "| ").replace("\\\n ", " ").splitlines()
        if line and (language != "console" or line.startswith("$ "))
    ]
    return [line for line in lines if not line.startswith("#")]


def answers(page: str) -> list[Answer]:
    """Returns the commands of a page that have an answer, with it."""
    parts = [
        part
        for block in blocks(page, "console")
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)
    ]
    return [Answer(*part.split("\n", 1)) for part in parts if part]


def write_files(page: str, folder: Path) -> None:
    """Writes the files of a page, each of which begins with its path, into a folder."""
    for block in blocks(page, "yaml", "toml", "python"):
        named = _FILE.match(block)
        if named is None:
            assert block in programs(page), f"{page}: a file without its path in the first line"
            continue
        file = folder / named[1]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block[named.end() :], encoding="utf-8")


def tables_of(text: str) -> list[list[list[str]]]:
    """Returns the tables of a text: rows of cells, the heading first, without the line below it."""
    found = []
    for table in _TABLE.findall(text):
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()]
        found.append([[cell.strip() for cell in row] for row in (rows[0], *rows[2:])])
    return found
