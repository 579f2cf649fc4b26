"""The documentation: builds without a warning, asks nothing of other hosts, names what there is.

QUIRE_BINARY  the binary (default build/release/quire)
"""
import html.parser
import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("QUIRE_BINARY", str(ROOT / "build" / "release" / "quire"))
PAGES = sorted((ROOT / "docs").glob("*.md"))
# What a browser loads by itself; a link that somebody may follow is none of it.
LOADED = {"script": ["src"], "link": ["href"], "img": ["src", "srcset"], "iframe": ["src"],
          "source": ["src", "srcset"], "video": ["src", "poster"], "audio": ["src"],
          "embed": ["src"], "object": ["data"], "input": ["src"], "use": ["href", "xlink:href"]}
NOT_LOADED = {"canonical", "next", "prev", "alternate"}  # links that only say something


def build(folder, docs=None):
    settings = ROOT / "mkdocs.yml"
    if docs:
        text = settings.read_text().replace("docs_dir: docs", f"docs_dir: {docs}")
        settings = folder / "mkdocs.yml"
        settings.write_text(text)
    return subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "-f", settings,
                           "-d", folder / "site"], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    built = build(folder)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / "site"


class Loads(html.parser.HTMLParser):
    """What a page has a browser load, and its styles."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.styles = []
        self.in_style = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.in_style = tag == "style"
        if tag == "link" and attrs.get("rel", "") in NOT_LOADED:
            return
        self.found += [attrs[name] for name in LOADED.get(tag, []) if attrs.get(name)]
        self.styles.append(attrs.get("style") or "")

    def handle_endtag(self, tag):
        self.in_style = False

    def handle_data(self, data):
        if self.in_style:
            self.styles.append(data)


def is_elsewhere(address):
    return bool(re.match(r"\s*([a-z][a-z0-9+.-]*:)?//", address, re.I))


def loads_of_style(text):
    return re.findall(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", text)


def test_every_page_loads_only_what_lies_beside_it(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(PAGES)
    for page in pages:
        loads = Loads(page.read_text())
        found = loads.found + [one or other for style in loads.styles
                               for one, other in loads_of_style(style)]
        assert found, page
        for address in found:
            assert not is_elsewhere(address), (page.name, address)
            if address.startswith(("data:", "#")) or page.name == "404.html":
                continue
            target = (page.parent / address.split("#")[0].split("?")[0]).resolve()
            assert target.is_file() and site.resolve() in target.parents, (page.name, address)


def test_styles_load_nothing_from_elsewhere(site):
    sheets = list(site.rglob("*.css"))
    assert sheets
    for sheet in sheets:
        for one, other in loads_of_style(sheet.read_text()):
            assert not is_elsewhere(one or other), (sheet.name, one or other)


def test_the_check_itself_finds_what_is_elsewhere():
    for text in ('<script src="https://x/y.js">', "<script src=//x/y.js>",
                 '<link rel="stylesheet" href="http://x/y.css">', '<img src="HTTPS://x/y.png">'):
        assert any(map(is_elsewhere, Loads(text).found)), text
    assert not Loads('<link rel="canonical" href="https://x/">').found
    assert not Loads('<a href="https://x/">').found
    assert loads_of_style("@import 'https://x'; a {b: url(//x/y)}") == [("", "https://x"),
                                                                       ("//x/y", "")]


@pytest.mark.parametrize("broken", ["[no page](nowhere.md)", "[no place](api.md#nowhere)"])
def test_a_dead_link_stops_the_build(tmp_path, broken):
    docs = tmp_path / "docs"
    docs.mkdir()
    for file in (ROOT / "docs").rglob("*"):
        if file.is_file():
            copy = docs / file.relative_to(ROOT / "docs")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    (docs / "index.md").write_text(broken)
    built = build(tmp_path, docs)
    assert built.returncode != 0 and "nowhere" in built.stdout + built.stderr


def commands():
    """Every `quire COMMAND ...` of the documentation, with the page it stands on."""
    found = set()
    for page in [*PAGES, ROOT / "README.md"]:
        for line in re.findall(r"(?:^|[\s`;])(?:build/)?quire ([a-z][^`\n|;#]*)", page.read_text(),
                               re.M):
            found.add((page.name, line.strip()))
    return found


def help_of(words):
    done = subprocess.run([BINARY, *words, "--help"], capture_output=True, text=True, timeout=30)
    return done.stdout if done.returncode == 0 else None


@pytest.fixture(scope="module")
def helps():
    """The help of each command, and of the commands below it."""
    known = {}
    for name in re.findall(r"^  (\w+) ", help_of([]).split("Commands:")[-1], re.M):
        text = help_of([name])
        if text is None:
            continue
        known[(name,)] = text
        for below in re.findall(r"^  (\w+) ", text.partition("Commands:")[2], re.M):
            deeper = help_of([name, below])
            if deeper and deeper != text:
                known[(name, below)] = deeper
    assert ("serve",) in known and ("top",) in known and ("session", "ls") in known
    return known


def test_commands_and_their_flags_exist(helps):
    checked = 0
    for page, line in sorted(commands()):
        words = line.split()
        if (words[0],) not in helps:
            # "quire is" and the like are prose; a command in a block of code is not.
            assert not re.match(r"\w+ --", line), (page, line)
            continue
        texts = [helps[(words[0],)]]
        if len(words) > 1 and (words[0], words[1]) in helps:
            texts.append(helps[(words[0], words[1])])
        for flag in re.findall(r"(?<!\S)--[a-z][a-z-]*", line):
            assert any(re.search(re.escape(flag) + r"(?![\w-])", text) for text in texts), \
                (page, line, flag)
            checked += 1
    assert checked > 10
