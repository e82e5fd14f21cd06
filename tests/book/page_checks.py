"""What a page of the built book must hold; each check returns the problems of one page."""

import os
import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import built
import yaml
from bs4 import NavigableString
from bs4.element import PreformattedString
from built import HTML, ROOT
from coursebook import portable, site

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))
ADDRESS = site.site_address(CONFIG["repository"]["url"])
VERSION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf8"))["version"]
PAGE_KB, SITE_MB, CARD_KB = 700, 35, 150
UNSEEN = {"pre", "script", "style", "template", "textarea", "meta", "link"}
NO_ALT = re.compile(
    r"^\W*$|_images/|\.(png|svg|jpe?g|gif|webp)$|^<?(Figure size|matplotlib\.|Axes)"
    r"|^(image|figure|plot|chart|picture)\W*\d*$|^No description",
    re.IGNORECASE,
)
RAW = re.compile(
    r"\{[A-Za-z][\w:.+-]*\}`"  # a role
    r"|```|~~~|:::"  # a fence
    r"|^\s*:(?:class|name|alt|width|align|label|tags|open):"  # an option of a directive
    r"|^\s*\([\w-]+\)=\s*$"  # a label
    r"|\[\^[\w-]+\]"  # a footnote without its text
    r"|\]\((?:#|\.{0,2}/|https?:|[\w/.-]+\.(?:md|ipynb|html)\b)"  # a link
    r"|\$\$|\\[A-Za-z]+\{|\$\S[^$]*[\\^_={][^$]*\$",  # mathematics
    re.MULTILINE,
)
LAST_RUN = re.compile(r"Last run on \d+ \w+ 20\d\d, with torch [\d.]+\S*, on a CPU\.")


def tag_text(tag) -> str:
    """The opening tag, shortened."""
    attributes = (f' {key}="{value}"' for key, value in tag.attrs.items())
    return f"<{tag.name}{''.join(attributes)}"[:160] + ">"


def broken_links(soup, path: Path, root: Path, prefix: str = "/dlv-course/") -> list[str]:
    """Follow each address that stays inside the site: the file must be there, and its anchor.

    What style sheets and scripts load is seen in a browser. The page for addresses that do not
    exist is shown at any depth, so its links have a prefix.
    """
    problems = []
    links = [(tag, tag.get("href") or tag["src"]) for tag in [*soup(href=True), *soup(src=True)]]
    for where, address in ((tag_text(tag), address) for tag, address in links):
        if path.name == "404.html":
            address = address.removeprefix(prefix)
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        target = Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
        anchor = unquote(parts.fragment)
        if parts.path.startswith("/") or not target.is_relative_to(root):
            problems.append(f"{where} leads out of the book: {address}")
        elif not target.is_file():
            problems.append(f"{where} leads to no file: {target.relative_to(root)}")
        elif anchor and target.suffix == ".html" and anchor not in built.anchors(target) | {"top"}:
            problems.append(f"{where} leads to no anchor: #{anchor}")
    return problems


def duplicate_ids(soup) -> list[str]:
    counts = Counter(tag["id"] for tag in soup(id=True))
    return [f'id="{key}" occurs {count} times' for key, count in counts.items() if count > 1]


def missing_alt(soup) -> list[str]:
    texts = [(img, img.get("alt", "")) for img in soup("img")]
    texts += [(svg, svg.get("aria-label", "")) for svg in soup("svg", class_="drawing")]
    return [
        f"{tag_text(tag)} has no alt text"
        for tag, text in texts
        if tag.get("role") not in ("presentation", "none") and NO_ALT.search(text.strip())
    ]


def visible_text(tag) -> str:
    """The text that a reader sees; code, which may look like markup, is one backtick."""
    if isinstance(tag, NavigableString):
        return "" if isinstance(tag, PreformattedString) else str(tag)
    if tag.name == "code":
        return "`"  # so that {ref} before it is still seen
    if tag.name in UNSEEN or "math" in tag.get("class", []):
        return ""
    return "".join(map(visible_text, tag.children))


def raw_markup(soup) -> list[str]:
    alts = [img.get("alt", "") for img in soup("img")]
    text = "\n".join([visible_text(soup), *alts])
    lines = [text[max(0, m.start() - 30) : m.end() + 30].split() for m in RAW.finditer(text)]
    return [f"raw markup in the text: ... {' '.join(words)} ..." for words in lines]


def loose_percent_signs(soup) -> list[str]:
    """A space that breaks, between a number and its percent sign, in a paragraph."""
    texts = [visible_text(paragraph) for paragraph in soup("p")]
    return [f"a line may begin with % in: {t}" for t in texts if re.search(r"\d[ \n]%", t)]


def failures(soup) -> list[str]:
    tags = soup(class_=["stderr", "traceback", "system-message", "problematic"])
    texts = soup.find_all(string=re.compile(r"Traceback \(most recent call last\)"))
    return [f"{tag_text(tag)} {tag.get_text()[-200:].strip()}" for tag in tags] + [
        f"{tag_text(text.parent)} shows a traceback" for text in texts
    ]


def head(soup, page: str) -> list[str]:
    """Check what finds a page and protects it: description, address, card, policy."""
    metas = soup.head("meta", content=True)
    tags = {tag.get("property") or tag.get("name"): tag["content"] for tag in metas}
    (policy,) = soup("meta", {"http-equiv": "Content-Security-Policy"})
    problems = [f"{tag_text(t)} is before the policy" for t in policy.find_all_previous("script")]
    if page in built.WITHOUT_TEXT:
        return problems
    if len(tags.get("description", "")) <= 20 or not tags.get("og:title"):
        problems.append("it has no description or title for search engines")
    canonical = soup.find("link", rel="canonical")["href"]
    if {tags["og:url"], canonical} != {ADDRESS + page}:
        problems.append(f"it names another address: {canonical}")
    card = HTML / tags["og:image"].removeprefix(ADDRESS)
    if not card.is_file() or card.stat().st_size > CARD_KB * 1000:
        problems.append(f"its card is missing or heavy: {card}")
    return problems


def weight(soup, page: str) -> list[str]:
    path = HTML / page
    pictures = {tag.get("src") or tag["href"] for tag in soup(["img", "image"])}
    pictures = {picture for picture in pictures if "_images/" in picture}
    files = [path, *(path.parent / picture for picture in pictures if page != "404.html")]
    total = sum(file.stat().st_size for file in files) / 1000
    return [f"it weighs {total:.0f} kB, more than {PAGE_KB}"] if total > PAGE_KB else []


def notebook_parts(soup, page: str) -> list[str]:
    """Only a page that is a notebook opens on Colab and shows when it ran."""
    path = (ROOT / page).with_suffix(".ipynb")
    runs = [line.get_text() for line in soup(class_="last-run")]
    colab = CONFIG["launch_buttons"]["colab_url"]
    badges = {a["href"] for a in soup("a", href=True) if a["href"].startswith(colab)}
    if not path.is_file():
        return ["it is no notebook and looks like one"] if runs or badges else []
    repository = CONFIG["repository"]["url"].removeprefix("https://github.com/")
    expected = (
        f"{colab}/github/{repository}/blob/{portable.BRANCH}/{path.relative_to(ROOT).as_posix()}"
    )
    problems = [] if badges == {expected} else [f"Colab must open {expected}, got {badges}"]
    if len(runs) != 1 or not LAST_RUN.fullmatch(runs[0]):
        problems.append(f"the last run is given as {runs}")
    return problems


def glossary_links(soup, page: str) -> list[str]:
    """A chapter links five terms or more to the glossary, each once and with its meaning."""
    links = soup(class_="term-link")
    targets = Counter(link["href"] for link in links)
    problems = [f"{target} is linked {n} times" for target, n in targets.items() if n > 1]
    problems += [f"{tag_text(link)} has no meaning" for link in links if len(link["title"]) <= 20]
    if page in built.chapters() and len(links) < 5:
        problems.append(f"it links {len(links)} terms to the glossary")
    return problems


def citation(soup, page: str) -> list[str]:
    """A chapter shows how to cite it, with its address and the version of the book."""
    if page not in built.chapters():
        return []
    text = "".join(tag.get_text() for tag in soup(class_="cite"))
    title = soup.h1.get_text().rstrip("#")
    expected = (ADDRESS + page, f"version {VERSION}", f"title = {{{title}}}")
    return [f"its citation must hold {part}" for part in expected if part not in text]


CHECKS = {
    "links": lambda soup, page: broken_links(soup, HTML / page, HTML, urlsplit(ADDRESS).path),
    "ids": lambda soup, page: duplicate_ids(soup),
    "alt": lambda soup, page: missing_alt(soup),
    "raw": lambda soup, page: raw_markup(soup),
    "percent": lambda soup, page: loose_percent_signs(soup),
    "failures": lambda soup, page: failures(soup),
    "head": head,
    "weight": weight,
    "notebook": notebook_parts,
    "glossary": glossary_links,
    "citation": citation,
}
