"""Builds the documentation with Zensical, strictly, and looks at what came out; or serves it.

Zensical finds links to pages and anchors that are not there. The rest is looked for in the pages
that it wrote: pictures that are missing, and what a browser would fetch from another host.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import tutorial

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "build" / "docs"
ZENSICAL = (sys.executable, "-m", "zensical")
PORT = 8000
# Elements and attributes that a browser fetches by itself; of a link only what `rel` says.
FETCHED = {
    ("audio", "src"),
    ("embed", "src"),
    ("iframe", "src"),
    ("img", "src"),
    ("img", "srcset"),
    ("link", "href"),
    ("script", "src"),
    ("source", "src"),
    ("source", "srcset"),
    ("video", "src"),
}
NOT_FETCHED = {"canonical", "next", "prev"}
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_IN_STYLES = re.compile(r"(?:url\(|@import\s+)[\"']?((?:https?:)?//[^\"')\s]+)")


class Resources(HTMLParser):
    """What a page has a browser fetch."""

    def __init__(self) -> None:
        """Has found nothing yet."""
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keeps the addresses of an element."""
        if tag == "link" and dict(attrs).get("rel") in NOT_FETCHED:
            return
        self.addresses += [value for name, value in attrs if value and (tag, name) in FETCHED]


def main() -> int:
    """Builds or serves.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="scripts/docs", description=__doc__)
    parser.add_argument(
        "--serve", nargs="?", type=int, const=PORT, metavar="PORT", help="on 127.0.0.1 (8000)"
    )
    parser.add_argument(
        "--tutorial",
        nargs="?",
        choices=("check", "write", "notebook"),
        const="check",
        help="runs all of the tutorial afresh, some minutes, and compares what comes out with what "
        "it says; `write` puts it into the page, its pictures and the notebook, too; `notebook` "
        "runs nothing, and makes the notebook of page and pictures",
    )
    options = parser.parse_args()
    if options.serve is not None:
        return serve(options.serve)
    if options.tutorial:
        return play(options.tutorial)
    problem = build()
    if not problem:
        problem = "\n".join([*faults(SITE), *tutorial.faults(ROOT)])
    if problem:
        print(problem)
        return 1
    print(f"{len(list(SITE.rglob('*.html')))} pages in {SITE.relative_to(ROOT)}")
    return 0


def play(what: str) -> int:
    """Runs the tutorial, or makes its notebook.

    Args:
        what: check, write or notebook.

    Returns:
        The exit code.
    """
    import tutorial_afresh

    if what == "notebook":
        tutorial_afresh.write_notebook(ROOT)
        return 0
    problem = "\n".join(tutorial_afresh.afresh(ROOT, write=what == "write"))
    print(problem or "The tutorial says what comes out.")
    return 1 if problem else 0


def serve(port: int) -> int:
    """Serves the pages until Ctrl-C, and builds what changes.

    Args:
        port: to listen on.

    Returns:
        The exit code.
    """
    try:
        return subprocess.call([*ZENSICAL, "serve", "--dev-addr", f"127.0.0.1:{port}"], cwd=ROOT)
    except KeyboardInterrupt:
        return 130


def build() -> str:
    """Builds all pages anew.

    Returns:
        What is wrong with them, as Zensical tells it; empty where nothing is.
    """
    command = [*ZENSICAL, "build", "--clean", "--strict"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    said = _COLOURS.sub("", done.stdout + done.stderr)
    return said.partition("Traceback (most recent call last)")[0].strip() or said.strip()


def faults(site: Path) -> Iterator[str]:
    """Finds what pages and styles have a browser fetch that it cannot or should not.

    Args:
        site: the folder of the pages.

    Yields:
        What is wrong, a line each.
    """
    for page in sorted(site.rglob("*.html")):
        found = Resources()
        found.feed(page.read_text(encoding="utf-8"))
        for address in found.addresses:
            where = urlparse(address)
            if where.scheme == "data":
                continue
            if where.netloc:
                yield f"{page.relative_to(site)}: fetches {address}, from another host"
            elif where.path and not _file(site, page, where.path).is_file():
                yield f"{page.relative_to(site)}: {address} is not there"
    for style in sorted(site.rglob("*.css")):
        for address in _IN_STYLES.findall(style.read_text(encoding="utf-8")):
            yield f"{style.relative_to(site)}: fetches {address}, from another host"


def _file(site: Path, page: Path, path: str) -> Path:
    folder = site if path.startswith("/") else page.parent
    return folder / unquote(path).lstrip("/")


if __name__ == "__main__":
    sys.exit(main())
