"""The site: the notebooks, the claims, the glossary and the package's pages, for any browser.

    python -m tools.site            site/_build/html, English and each language of site/locale
    python -m tools.site gettext    the text to translate, site/_build/gettext/*.pot

The pages need no server and no network. ``gather`` puts the sources together in one folder: what
stands in site/, the executed notebooks, and pages made from both; Sphinx does the rest and runs no
cell. Each slider panel stands on its page as ``make export`` wrote it, with all its frames.
"""

import html
import io
import re
import shutil
import sys
import tomllib
from base64 import b64decode
from collections import Counter
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from pkgutil import iter_modules

import nbformat
from PIL import Image

import rlvebm_utils as PACKAGE
from rlvebm_utils.course.claims import register
from rlvebm_utils.course.live import script, style
from rlvebm_utils.course.live.draw import page_data
from rlvebm_utils.course.plots.diagrams import drawn
from rlvebm_utils.course.plots.style import to_png
from tools import address
from tools.claims import shown
from tools.notebooks import FOLDER, ROOT
from tools.panels import tags

SITE = ROOT / "site"
BUILT = SITE / "_build"
MATHJAX = (
    "startup.js",
    "core.js",
    "input/tex.js",
    "input/tex/extensions",
    "output/chtml.js",
    "output/chtml/fonts",
    "a11y/assistive-mml.js",
)
BADGE = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]\(([^)]*)\)")
COLAB = "Each notebook has a link *Open in Colab* at its top."
LATER = "After you publish, `make address TO=owner/name` puts a link to Colab into each notebook."
FIGURE = (
    '<img src="../figures/{name}" alt="{alt}" width="{width}" height="{height}" loading="lazy">'
)
DIGIT = """<div id="page"></div>
<noscript>To draw here, switch JavaScript on.</noscript>
{}
"""
# The pictures of the cards: a notebook's number, and a file of images/
CARDS = {
    "01": "latent_ebm.svg",
    "02": "stroke_by_stroke.png",
    "03": "lista_graph.svg",
    "04": "atoms_appear.gif",
    "05": "conv_sum.svg",
    "06": "autoencoder.svg",
    "07": "fuzzy_balls.png",
}
CARD = 640, 240  # pixels that a card's picture has to fit into
PANEL = """<div class="panel" data-src="{page}" data-title="{title}">
<a href="{page}">{title}: this panel on a page of its own</a></div>"""


def gather(target: Path, panels: Path) -> Path:
    """Everything that Sphinx reads, in a new folder ``target``; panels: what make export wrote."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(SITE, target, ignore=shutil.ignore_patterns(BUILT.name, "__pycache__"))
    shutil.copytree(ROOT / "images", target / "images", ignore=shutil.ignore_patterns("*.py"))
    card_pictures(target / "cards")
    (target / "notebooks").mkdir()
    for path in sorted(FOLDER.glob("*.ipynb")):
        notebook = for_the_site(nbformat.read(path, as_version=4), path.stem, panels)
        lighten(notebook, path.stem, target / "_extra" / "figures")
        nbformat.write(notebook, target / "notebooks" / path.name)
    for name, text in {
        "claims.md": claims_page(FOLDER),
        "notebooks_for_teachers.txt": teachers_table(FOLDER),
        "digit.html": DIGIT.format(script("draw_digit", {"data": page_data(), "level": 2})),
        "index.md": filled(SITE / "index.md"),
        "package.md": filled(SITE / "package.md"),
        "teach.md": filled(SITE / "teach.md"),
    }.items():
        (target / name).write_text(text, encoding="utf-8")
    (target / "api").mkdir()
    for wing, title in WINGS.items():
        (target / "api" / f"{wing}.md").write_text(wing_page(wing, title), encoding="utf-8")
    _extra(target, panels)
    return target


def _extra(target: Path, panels: Path) -> None:
    """What is copied to the pages as it is: the panels and MathJax."""
    (target / "_extra" / "panels").mkdir(parents=True)
    for page in panels.glob("*-[0-9]*.html"):
        shutil.copy(page, target / "_extra" / "panels")
    mathjax, static = files("mathjax") / "static" / "mathjax", target / "_static" / "mathjax"
    for name in MATHJAX:
        _copy(Path(str(mathjax / "es5" / name)), static / name)
    _copy(Path(str(mathjax / "LICENSE")), static / "LICENSE")
    (target / "_static" / "digit.css").write_text(style("draw_digit.css"), encoding="utf-8")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    (shutil.copytree if source.is_dir() else shutil.copy)(source, target)


# ---- a notebook's page ----


def for_the_site(notebook, name: str, panels: Path):
    """A new notebook: panels that move, a place to link to at each claim, no cell for Colab."""
    cells, count = [], Counter()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = BADGE.sub(r"[Open in Colab](\1){.colab}", cell.source)
        elif cell.source.startswith("# On Colab"):
            cell.metadata["tags"] = ["remove-cell"]
        for kind, middle in (("slider", ""), ("live", "live-")):
            if kind in tags(cell):
                _embed(cell, panels / f"{name}-{middle}{count[kind]}.html")
                count[kind] += 1
        ids = [tag.removeprefix("claim:") for tag in tags(cell) if tag.startswith("claim:")]
        cells += [nbformat.v4.new_markdown_cell(f"({anchor(id)})=") for id in ids]
        cells.append(cell)
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)


def anchor(id: str) -> str:
    """The name of the place where a claim is measured."""
    return f"claim-{id.lower()}"


def _embed(cell, page: Path) -> None:
    """After a panel's figure at rest, the panel; the line on how to run it is not needed then."""
    if not page.exists():
        return
    title = re.search("<title>(.*?)</title>", page.read_text("utf-8"))[1]
    text = PANEL.format(page=f"../panels/{page.name}", title=title)
    cell.outputs = [one for one in cell.outputs if set(one.get("data", {})) != {"text/plain"}]
    cell.outputs.append(nbformat.v4.new_output("display_data", data={"text/html": text}))


def lighten(notebook, name: str, folder: Path) -> None:
    """Its figures as files in ``folder``: the same pixels in half the bytes, with their words."""
    folder.mkdir(parents=True, exist_ok=True)
    outputs = [one for cell in notebook.cells for one in cell.get("outputs", [])]
    pictures = [one for one in outputs if "image/png" in one.get("data", {})]
    for count, output in enumerate(pictures):
        path = folder / f"{name}-{count}.webp"
        picture = Image.open(io.BytesIO(b64decode(output.data["image/png"])))
        picture.save(path, lossless=True)
        said = output.metadata.get("image/png", {})
        size = dict(zip(("width", "height"), picture.size, strict=True))
        size |= {side: said[side] for side in size if side in said}  # where lines are finer
        alt = html.escape(said.get("alt", ""))
        output.data = {"text/html": FIGURE.format(name=path.name, alt=alt, **size)}


# ---- the claims as an audit ----

CLAIMS = """---
html_theme.sidebar_secondary.remove: true
---

# The lecture's statements, measured

{count} statements, each with what we measured and the rule that gave the verdict: {verdicts}.
Tests compare every figure with the expected one. Each id leads to the cell that measures it.
An id that begins with ERR is a place where the notes need care.

{{.audit-words}}
[Verdict]{{.legend}} [all]{{.all}}

{{.audit}}
| id | statement | measured | verdict | rule |
|---|---|---|---|---|
{rows}
"""


def claims_page(folder: Path) -> str:
    """The page in MyST: one row a claim, linked to its cell; site.js adds the filter."""
    claims = register()
    lines = {line.id: line for line in shown(folder)}
    known = [(claims[id], lines[id]) for id in claims if id in lines]
    counts = Counter(line.verdict for _, line in known).most_common()
    return CLAIMS.format(
        count=len(known),
        verdicts=", ".join(f"{count} {_verdict(verdict)}" for verdict, count in counts),
        rows="\n".join(_row(entry, line) for entry, line in known),
    )


def _row(entry, line) -> str:
    says = f"{entry.statement} *({entry.lecture})*"
    cells = f"[{entry.id}](#{anchor(entry.id)})", says, line.measured, _verdict(line.verdict)
    return "| " + " | ".join(one.replace("|", r"\|") for one in (*cells, f"`{line.rule}`")) + " |"


def _verdict(verdict: str) -> str:
    return f"[{verdict}]{{.verdict .{verdict.split(' if ')[0].replace(' ', '-')}}}"


# ---- what a teacher asks, and the cards of the first page ----


def filled(page: Path) -> str:
    """A page of site/ with the repository's address and the notebooks' cards in their places."""
    text = page.read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = text.replace("@REPOSITORY@", project["urls"]["Repository"])
    published = address.address() != address.PLACEHOLDER
    text = text.replace("@COLAB@", COLAB if published else LATER)
    return text.replace("@CARDS@", "\n".join(map(card, sorted(FOLDER.glob("0*.ipynb")))))


def card(path: Path) -> str:
    """A picture, the title, and what the notebook's first sentence says that you will do."""
    head = nbformat.read(path, as_version=4).cells[0].source
    title = re.search("^# (.*)", head, re.MULTILINE)[1]
    says = " ".join(re.search(r"\*\*(You will .*?)\*\*", head, re.DOTALL)[1].split())
    first = re.split(r"(?<=[.!]) ", says)[0]
    number = path.stem[:2]
    picture = f"![](cards/{number}.webp)\n\n  " if number in CARDS else ""
    return f"- {picture}**[{title}](notebooks/{path.name})**\n\n  {first}\n"


def card_pictures(folder: Path) -> None:
    """The cards' pictures in a new folder, about as small as they are shown."""
    folder.mkdir()
    for number, name in CARDS.items():
        picture = _raster(ROOT / "images" / name)
        picture.thumbnail(CARD)
        picture.save(folder / f"{number}.webp", quality=85)


def _raster(path: Path) -> Image.Image:
    """A picture of images/ as pixels; of one that moves its end."""
    if path.suffix == ".svg":
        return Image.open(io.BytesIO(to_png(drawn(path.stem)))).convert("RGB")
    picture = Image.open(path)
    picture.seek(getattr(picture, "n_frames", 1) - 1)
    return picture.convert("RGB")


def teachers_table(folder: Path) -> str:
    """A section for each notebook: what it teaches, how long it takes, what the exercises test."""
    parts = []
    for path in sorted(folder.glob("0*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        head = notebook.cells[0].source
        title = re.search("^# (.*)", head, re.MULTILINE)[1]
        goals = re.search(r"\*\*After this notebook you can\*\*\n\n(.*?)\n\n", head, re.DOTALL)[1]
        time = re.search(r"\*\*Time\*\* (.*)", head)[1]
        parts += [f"### [{title}](notebooks/{path.name})", "", f"**Time:** {time}", ""]
        parts += ["**Afterwards a student can**", "", goals, ""]
        parts += ["**Exercises**", "", *(f"- {one}" for one in exercises(notebook)), ""]
    return "\n".join(parts)


def exercises(notebook) -> list[str]:
    """What each exercise asks for: the text above its cell, on one line."""
    found = []
    for before, cell in zip(notebook.cells, notebook.cells[1:], strict=False):
        if "exercise" in tags(cell):
            asked = before.source.split("\n\n")[-1]
            found.append(re.sub(r"^\*\*\d+\. (.*?)\*\*", r"**\1**", " ".join(asked.split())))
    return found


# ---- the package, module by module ----

# A page each: its folder in the package, and its title
WINGS = {
    "fast": "The engine: `fast`",
    "course": "What the notebooks need: `course`",
    "course.plots": "The pictures: `course.plots`",
    "course.widgets": "The panels: `course.widgets`",
    "course.live": "What runs in the page: `course.live`",
}


def wing_page(wing: str, title: str) -> str:
    """One wing of the package in MyST: what it is for, then every module with its public names.
    Those that ``rlvebm_utils`` itself offers stand on its own page.
    """
    whole = import_module(f"{PACKAGE.__name__}.{wing}")
    names = [one.name for one in iter_modules(whole.__path__) if not one.ispkg]
    lines = [f"# {title}", "", "```{eval-rst}", f".. automodule:: {whole.__name__}", "```", ""]
    for name in names:
        module = f"{whole.__name__}.{name}"
        offered = [one for one in PACKAGE.__all__ if getattr(PACKAGE, one).__module__ == module]
        skipped = f":exclude-members: {', '.join(offered)}\n" if offered else ""
        lines += [f"## {name}", "", "```{eval-rst}", f".. automodule:: {module}", "   :members:"]
        lines += [f"   {skipped}".rstrip(), "```", ""]
    return "\n".join(lines)


# ---- Sphinx ----


def sphinx(builder: str, source: Path, target: Path, *options: str) -> int:
    """Build without running a cell, every warning an error; returns the exit code."""
    from sphinx.cmd.build import main

    common = ["-W", "--keep-going", "-q", "-d", str(Path(target).parent / "doctrees")]
    return main(["-b", builder, *common, *options, str(source), str(target)])


def main(what: str = "html") -> int:
    from tools import panels

    panels.main(ROOT / "exports")
    source = gather(BUILT / "source", ROOT / "exports")
    if what == "gettext":
        return sphinx("gettext", source, BUILT / "gettext")
    found = sphinx("html", source, BUILT / "html")
    for path in sorted((SITE / "locale").glob("*/LC_MESSAGES")):
        code = path.parent.name
        found |= sphinx("html", source, BUILT / "html" / code, "-D", f"language={code}")
    return found


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
