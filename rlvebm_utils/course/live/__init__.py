"""What runs in the page itself, without a kernel: ES modules, the strokes they use, pages of HTML.

``module`` joins a file and what it imports to one ES module: for a notebook (anywidget takes one
file) and for a page that is opened from a disk, where nothing can be imported.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

FOLDER = Path(__file__).parent
_STYLE = re.compile(r'^@import "(\w+\.css)";\n', re.MULTILINE)
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)


def module(name: str) -> str:
    """The source of ``name`` (such as ``draw_digit.js``) with all that it imports, as one module.

    Imports are of the form ``import { a, b } from "./other.js";``. The names of all files share one
    scope then, so they must differ.
    """
    parts: dict[str, str] = {}
    _collect(name, parts)
    return "\n".join(parts.values())


def _collect(name: str, parts: dict[str, str]) -> None:
    """Put what a file imports, and then itself, into ``parts``; each file once."""
    source = (FOLDER / name).read_text(encoding="utf-8")
    for other in _IMPORT.findall(source):
        if other not in parts:
            _collect(other, parts)
    parts[name] = _IMPORT.sub("", source).strip() + "\n"


def style(name: str) -> str:
    """The style sheet ``name``, with what it imports in the place of ``@import "other.css";``."""
    source = (FOLDER / name).read_text(encoding="utf-8")
    return _STYLE.sub(lambda found: style(found[1]), source)


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
{style}
body {{ margin: 0; padding: 8px; background: #fff; }}
[data-theme="dark"] body {{ background: #101216; }}
</style>
<script>
// The reader's own choice of light or dark, also when it changes.
const dark = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;
const choose = () => {{ root.dataset.theme = dark.matches ? "dark" : "light"; }};
dark.addEventListener("change", choose);
choose();
</script>
</head>
<body>
<main id="page"></main>
<noscript>This page draws with JavaScript.</noscript>
{script}
<script>
// Within another page: how tall the frame around it has to be.
const tell = () => parent.postMessage({{ height: root.offsetHeight }}, "*");
if (parent !== window) new ResizeObserver(tell).observe(document.body);
</script>
</body>
</html>
"""

_SCRIPT = """<script type="module">
{module}
window.page = await mount(document.getElementById("page"), {options});
</script>"""


def script(name: str, options: dict) -> str:
    """The element that shows ``name.js`` in the element ``page`` of any page of HTML.

    The module has to have a function ``mount(el, options)``; the page itself keeps what that gives
    as ``window.page``. The page has to bring the style sheet.
    """
    # "</script>" inside the options would end the script.
    given = json.dumps(options, separators=(",", ":")).replace("</", "<\\/")
    return _SCRIPT.format(module=module(f"{name}.js"), options=given)


def write_page(path, name: str, title: str, options: dict) -> Path:
    """Write ``name.js`` with its ``name.css`` as one HTML file that needs no kernel and no network.

    See ``script``. Returns the path.
    """
    text = _PAGE.format(
        title=html.escape(title),
        style=style(f"{name}.css"),
        script=script(name, options),
    )
    Path(path).write_text(text, encoding="utf-8")
    return Path(path)
