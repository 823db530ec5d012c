"""Settings of the site. tools/site.py copies them beside all pages, and starts Sphinx there.

Nothing on a page comes from the network: the site is read from a disk, in a train, or behind a
school's firewall.
"""

import importlib.metadata
import re
from pathlib import Path

from babel import Locale

EMPTY_HEAD = re.compile(r"<th([^>]*)>(?:<p>)?\s*(?:</p>)?</th>")

exclude_patterns = ["_extra", "_static", "locale", "static", "templates"]

project = "Energy-based models, hands on"
author = "the authors of the course"
project_copyright = "text and figures CC BY 4.0, code MIT"
release = version = importlib.metadata.version("rlvebm_utils")
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]
nb_execution_mode = "off"  # the committed outputs are shown
nb_ipywidgets_js = {}  # would come from the network; the panels bring their own script
myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "dollarmath"]
myst_heading_anchors = 3

# Translation: `make site ARGS=gettext` extracts the text, locale/xx/LC_MESSAGES/*.po translates it.
locale_dirs = ["locale"]
gettext_compact = False
nb_mime_priority_overrides = [("gettext", "text/html", 0)]  # it knows no output by itself

# Mathematics: MathJax out of a package, put beside the pages by tools/site.py.
mathjax_path = "mathjax/startup.js"
mathjax3_config = {"loader": {"load": ["input/tex", "output/chtml", "a11y/assistive-mml"]}}

html_theme = "sphinx_book_theme"
html_title = project
templates_path = ["templates"]
html_static_path = ["static", "_static"]
html_extra_path = ["_extra"]
html_css_files = ["site.css", "digit.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_favicon = "static/icon.svg"
html_show_sphinx = False
html_copy_source = False
html_sidebars = {
    "**": ["brand.html", "languages.html", "search-button-field.html", "sbt-sidebar-nav.html"]
}
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navbar_persistent": [],  # the search stands in the sidebar
    "use_download_button": False,
    "home_page_in_toc": True,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}

# The package's pages.
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_preserve_defaults = True


def find_languages(app, config) -> None:
    """For the switch: English, and each language that there is a folder of translations for."""
    folders = (path for one in config.locale_dirs for path in Path(one).glob("*/LC_MESSAGES"))
    codes = ["en", *sorted(path.parent.name for path in folders)]
    config.html_context["languages"] = {code: Locale.parse(code).display_name for code in codes}


def keep_bars(app, what, name, value, options, lines) -> None:
    """Docstrings are plain text: in them |x| is a number without its sign."""
    lines[:] = [line.replace("|", "\\|") for line in lines]


def empty_corners(app, page, template, context, doctree) -> None:
    """A table's first corner that holds no word heads no column: a cell as any other."""
    if "body" in context:
        context["body"] = EMPTY_HEAD.sub(r"<td\1></td>", context["body"])


def setup(app) -> None:
    app.connect("html-page-context", empty_corners)
    app.connect("config-inited", find_languages)
    app.connect("autodoc-process-docstring", keep_bars)
