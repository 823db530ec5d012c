"""The site, as a reader opens it: from a disk, with the network off, in headless Chromium.

SITE=FOLDER tests a site that is built already (all of `make site`, say). Without it one is built
here, with one small panel, so that no notebook has to be run.
"""

import gzip
import os
import random
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlparse

import jupytext
import nbformat
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

import rlvebm_utils
from rlvebm_utils import soft_threshold
from rlvebm_utils.course.widgets import SliderPanel, Stems, linear_slider
from rlvebm_utils.course.widgets.dual import dual_point
from tools import site, student
from tools.claims import shown
from tools.notebooks import FOLDER, ROOT, execute, texts

# Bytes that a page may weigh: the first one as its files lie on the disk, others as a server sends
# them, text compressed
HOME, OTHER = 1_000_000, 3_000_000
# Of code, formulas and signatures axe sees, on each page, the first that holds something of a new
# kind (a colour of the code, a part of a formula, a width that scrolls): all would take minutes.
MARK_WHAT_IS_ALIKE = """() => {
  const seen = new Set();
  for (const one of document.querySelectorAll("mjx-container, pre, dt.sig")) {
    const parts = [one, ...one.querySelectorAll("*")];
    const kinds = parts.map((part) => `${part.localName} ${part.getAttribute("class")}`);
    kinds.push(`wide: ${one.scrollWidth > one.clientWidth + 1}`);
    const fresh = kinds.map((kind) => `${one.localName} ${kind}`).filter((kind) => !seen.has(kind));
    if (fresh.length) fresh.forEach((kind) => seen.add(kind));
    else one.dataset.alike = "";
  }
}"""


def small_panel(path: Path) -> None:
    """A panel of three frames, in the place of one that only its whole notebook can make."""
    v = torch.linspace(-2, 2, 9)
    panel = SliderPanel(
        lambda t: {"z": soft_threshold(v, t)},
        lambda a: [Stems(a["z"], "z", "entry", limit=2)],
        {"t": linear_slider(0, 1, 0.5, label="t", step=0.5)},
        title="Drag t",
        readouts=lambda a: {"non-zeros": int((a["z"] != 0).sum())},
    )
    panel.export_html(path)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "panels").mkdir()
    small_panel(folder / "panels" / "02_sparse_coding_fista-0.html")
    eye = torch.eye(2, dtype=torch.float64)
    dual = dual_point(eye, torch.tensor([1.5, 1.0], dtype=torch.float64), lam=0.5)
    dual.export_html(folder / "panels" / "02_sparse_coding_fista-live-0.html")
    return site.gather(folder / "source", folder / "panels")


@pytest.fixture(scope="module")
def built(request) -> Path:
    if os.environ.get("SITE"):
        return Path(os.environ["SITE"]).resolve()
    source = request.getfixturevalue("source")
    assert sphinx("html", source, source.parent / "html") == ""
    return source.parent / "html"


def sphinx(builder: str, source: Path, target: Path, *options: str) -> str:
    """What Sphinx says, in a process of its own; "" where all is well."""
    code = "import sys; from tools import site; sys.exit(site.sphinx(*sys.argv[1:]))"
    command = [sys.executable, "-c", code, builder, source, target, *options]
    run = subprocess.run(command, cwd=ROOT, capture_output=True)
    return "" if run.returncode == 0 else (run.stdout + run.stderr).decode()


def pages(built: Path) -> list[Path]:
    found = sorted(built.rglob("*.html"))
    return [path for path in found if not {"_static", "panels"} & set(path.parts)]


@pytest.fixture(scope="module")
def browser(chromium):
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


# ---- every page, opened ----


def visit(page, path: Path) -> tuple[list[str], set[Path]]:
    """Open a page and wait for its formulas; what went wrong, and the files that it took."""
    wrong, taken = [], set()
    page.on("console", lambda said: said.type == "error" and wrong.append(said.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: wrong.append(request.url))
    page.on("request", lambda request: taken.add(request.url))
    page.set_default_timeout(120_000)  # milliseconds: cores may be shared
    page.bring_to_front()  # a page behind another one draws no frame
    page.goto(path.as_uri())
    page.evaluate("async () => { await window.MathJax?.startup?.promise }")
    drawn = (
        "!document.querySelector('div#page') || document.querySelector('div#page svg[aria-label]')"
    )
    page.wait_for_function(drawn, polling=100)
    page.evaluate("for (const one of document.images) one.loading = 'eager'")
    page.wait_for_function("[...document.images].every(one => one.complete)", polling=100)
    wrong += [url for url in taken if not url.startswith(("file:", "data:", "about:"))]
    files = {Path(unquote(urlparse(url).path)) for url in taken if url.startswith("file:")}
    return wrong, files


def too_heavy(path: Path, files: set[Path]) -> list[str]:
    """Where the files that a page takes, its panels apart, weigh more than they may."""
    whole = [one.read_bytes() for one in files if one.is_file() and "panels" not in one.parts]
    if path.name == "index.html":
        bytes, most = sum(map(len, whole)), HOME
    else:
        bytes, most = sum(min(len(one), len(gzip.compress(one, 6))) for one in whole), OTHER
    return [f"weighs {bytes} bytes"] if bytes > most else []


def axe_finds(page) -> list[str]:
    # axe would ask for the style sheets, which a page from a disk may not read
    options = {"preload": False, "resultTypes": ["violations"]}
    page.evaluate(MARK_WHAT_IS_ALIKE)
    context = {"exclude": [["[data-alike]"]]}
    found = Axe().run(page, context=context, options=options).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['target']}" for one in found]


def faults_of(page, path: Path) -> list[str]:
    """All that is wrong on a page, opened here."""
    wrong, files = visit(page, path)
    if page.locator("span.math, div.math").count() != page.locator("mjx-container").count():
        wrong.append("a formula is not set")
    if page.locator("mjx-merror").count():
        wrong.append("a formula is wrong")
    wrong += too_heavy(path, files) + axe_finds(page)
    for width in (page.viewport_size["width"], 390):
        page.set_viewport_size({"width": width, "height": 800})
        if page.evaluate("document.documentElement.scrollWidth") > width:
            wrong.append(f"is wider than the screen of {width}")
    return wrong


def faults(browser, built: Path, paths: list[Path], width: int, scheme: str) -> dict:
    size = {"width": width, "height": 800}
    context, found = browser.new_context(offline=True, viewport=size, color_scheme=scheme), {}
    for path in paths:
        page = context.new_page()
        wrong = faults_of(page, path)
        if wrong:
            found[path.relative_to(built).as_posix()] = wrong
        page.close()
    context.close()
    return found


def test_every_page_from_the_disk_without_a_network(built, browser):
    assert len(pages(built)) >= 14
    assert faults(browser, built, pages(built), 1366, "light") == {}


def test_pages_of_each_kind_on_a_phone_in_the_dark(built, browser):
    names = "index", "claims", "notebooks/02_sparse_coding_fista"
    paths = [built / f"{name}.html" for name in names]
    assert faults(browser, built, paths, 390, "dark") == {}


def test_a_heavy_page_is_found(tmp_path):
    files = {tmp_path / "a.css", tmp_path / "b.css"}
    for path in files:
        path.write_text(" " * (HOME // 2 + 1))
    assert too_heavy(tmp_path / "index.html", files) == [f"weighs {HOME + 2} bytes"]
    assert too_heavy(tmp_path / "index.html", {tmp_path / "a.css"}) == []
    assert too_heavy(tmp_path / "other.html", files) == []
    (tmp_path / "a.css").write_bytes(random.Random(0).randbytes(OTHER))
    assert too_heavy(tmp_path / "other.html", files) != []


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("<pre><b class='k'>for</b></pre>", "<pre><b class='n' style='color:#ddd'>for</b></pre>"),
        ("<pre>for</pre>", "<pre style='width: 9em; overflow: auto'>" + "wide " * 40 + "</pre>"),
    ],
    ids=["colour", "width"],
)
def test_a_fault_in_code_is_seen_where_it_is_the_first_of_its_kind(good, bad, browser):
    page = browser.new_page()
    frame = "<html lang=en><title>t</title><main><h1>h</h1>{}</main>"
    page.set_content(frame.format(2 * good))
    assert axe_finds(page) == [] and page.locator("[data-alike]").count() == 1
    page.set_content(frame.format(2 * good + bad))
    assert axe_finds(page) != []


class Links(HTMLParser):
    """Where a page leads to, what it shows, and the places in it."""

    def __init__(self, path: Path):
        super().__init__()
        self.to, self.ids = set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids |= {given["id"]} if given.get("id") else set()
        self.to |= {
            given[name] for name in ("href", "src", "srcset", "data-src") if given.get(name)
        }


def broken(built: Path) -> list[str]:
    links = {path: Links(path) for path in pages(built)}
    found = []
    for path, page in links.items():
        for url in page.to:
            if urlparse(url).scheme or url.startswith("//"):
                continue
            name, place = urldefrag(url)
            target = (path.parent / unquote(name.split("?")[0])).resolve() if name else path
            if not target.is_file():
                found.append(f"{path.name}: {url}")
            elif place and target in links and unquote(place) not in links[target].ids:
                found.append(f"{path.name}: no place {url}")
    return found


def test_no_link_and_no_image_is_broken(built):
    assert broken(built) == []


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="a.html#no">x</a><img src="no.png"><a href="#b" id="b">'
    )
    assert sorted(broken(tmp_path)) == ["a.html: no place a.html#no", "a.html: no.png"]


def test_a_digit_is_drawn_on_the_first_page(built, browser):
    page = browser.new_context(offline=True).new_page()
    visit(page, built / "index.html")
    assert page.locator("div#page h2").first.is_visible()
    page.get_by_role("button", name="Clear").click()
    assert max(page.evaluate("[...window.page.state().pixels]")) == 0
    box = page.locator("div#page .sheet").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 3 / 4, steps=8)
    page.mouse.up()
    page.wait_for_function("document.querySelectorAll('div#page .strokes li').length > 0")
    assert max(page.evaluate("[...window.page.state().pixels]")) > 0


def test_search_finds_fista(built, browser):
    page = browser.new_context(offline=True).new_page()
    page.goto((built / "search.html").as_uri() + "?q=FISTA")
    results = page.locator("#search-results li a")
    results.first.wait_for()
    with page.expect_navigation():
        page.locator("#search-results a", has_text="Sparse coding with FISTA").first.click()
    assert "02_sparse_coding_fista.html" in page.url


def move(frame) -> None:
    """The first control, from one end to the other; in a live page, what has the keyboard first."""
    frame.locator(".rlv-frame, #page [tabindex='0']").first.wait_for()
    live = frame.locator("#page").count() == 1
    control = frame.locator("#page [tabindex='0']" if live else "input").first
    shown = frame.locator("#page" if live else ".rlv-frame").inner_html
    control.press("ArrowRight" if live else "Home")
    before = shown()
    control.press("ArrowDown" if live else "End")
    assert shown() != before


def test_every_panel_moves_on_its_page(built, browser):
    moved = 0
    for path in pages(built):
        if 'class="panel"' not in path.read_text(encoding="utf-8"):
            continue
        page = browser.new_context(offline=True).new_page()
        page.goto(path.as_uri())
        for place in page.locator(".panel").all():
            place.scroll_into_view_if_needed()
            move(place.locator("iframe").content_frame)
            assert not place.locator("xpath=../preceding-sibling::*//img").first.is_visible()
            moved += 1
        page.context.close()
    assert moved == len(list((built / "panels").glob("*.html"))) > 0


def test_claims_are_filtered_and_lead_to_their_cells(built, browser):
    page = browser.new_context(offline=True).new_page()
    page.goto((built / "claims.html").as_uri())
    rows, lines = page.locator("table.audit tbody tr:visible"), shown(FOLDER)
    assert rows.count() == len(lines)
    page.locator(".filter input[value=in-part]").focus()
    page.keyboard.press("Space")
    wanted = [line.id for line in lines if line.verdict == "in part"]
    assert sorted(row.split()[0] for row in rows.all_inner_texts()) == sorted(wanted)
    rows.first.locator("a").click()
    page.wait_for_load_state()  # before that, a cell may be there without its output
    cell = page.locator(page.url[page.url.index("#") :])
    assert wanted and any(f"{id} ·" in cell.inner_text() for id in wanted)


# ---- translated ----


def test_text_is_extracted_and_a_translation_is_shown(source, tmp_path):
    assert sphinx("gettext", source, tmp_path / "pot") == ""
    template = (tmp_path / "pot" / "claims.pot").read_text(encoding="utf-8")
    head = "The lecture's statements, measured"
    assert f'msgid "{head}"' in template
    catalog = tmp_path / "locale" / "de" / "LC_MESSAGES" / "claims.po"
    catalog.parent.mkdir(parents=True)
    plain = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
    catalog.write_text(f'{plain}msgid "{head}"\nmsgstr "Nachgemessen"\n', encoding="utf-8")
    options = "-D", "language=de", "-D", f"locale_dirs={tmp_path / 'locale'}"
    assert sphinx("html", source, tmp_path / "html" / "de", *options) == ""
    text = (tmp_path / "html" / "de" / "claims.html").read_text(encoding="utf-8")
    assert "<h1>Nachgemessen" in text and 'href="./../claims.html" lang="en"' in text


# ---- the package ----


def test_every_public_name_of_the_package_has_its_place(built):
    """Functions and classes, on the page of the package or on one of its wings'."""
    ids = {place for path in pages(built) for place in Links(path).ids}
    wanted = {f"rlvebm_utils.{name}" for name in rlvebm_utils.__all__}
    for wing in site.WINGS:
        folder = ROOT / "rlvebm_utils" / wing.replace(".", "/")
        for path in folder.glob("[!_]*.py"):
            module = f"rlvebm_utils.{wing}.{path.stem}"
            text = path.read_text(encoding="utf-8")
            defined = re.findall(r"^(?:def|class) ([a-zA-Z]\w*)", text, re.MULTILINE)
            wanted |= {f"{module}.{name}" for name in defined if name not in rlvebm_utils.__all__}
    assert wanted - ids == set() and len(wanted) > 150


# ---- for teachers ----


def test_notebooks_for_students_hold_no_solution_and_run(tmp_path):
    student.main(tmp_path)
    for text in texts():
        copy = nbformat.read(tmp_path / f"{text.stem}.ipynb", as_version=4)
        nbformat.validate(copy)
        whole = jupytext.read(text)
        solutions = [cell for cell in whole.cells if "Solution</summary>" in cell.source]
        exercises = [cell for cell in copy.cells if "exercise" in cell.metadata.get("tags", [])]
        assert len(copy.cells) == len(whole.cells) - len(solutions)
        assert len(exercises) == len(solutions)
        said = "\n".join(cell.source for cell in copy.cells)
        for cell in solutions:
            (code,) = re.findall("```python\n(.*?)```", cell.source, re.DOTALL)
            assert code.strip() not in said
    small = nbformat.read(tmp_path / "playground.ipynb", as_version=4)
    small.cells = [cell for cell in small.cells if "slider" not in cell.metadata.get("tags", [])][
        :3
    ]
    execute(small, tmp_path)


# ---- words ----


def test_each_word_of_the_glossary_is_in_the_notebook_that_it_leads_to():
    text = (ROOT / "site" / "glossary.md").read_text(encoding="utf-8")
    entries = re.findall(r"^(\S.*)\n  (.*)\n  \[.*?\]\((notebooks/.*?)\)", text, re.MULTILINE)
    assert len(entries) >= 20
    for word, _, path in entries:
        told = (ROOT / path).with_suffix(".py").read_text(encoding="utf-8").lower()
        assert word.lower().removesuffix("e") in told, f"{word} is not in {path}"
