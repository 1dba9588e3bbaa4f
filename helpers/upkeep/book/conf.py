"""Sphinx's settings for the web book; `make book` runs it on what `layout.py` has laid out.

The course does not know where its repository and its book are. Who publishes it says so in two variables,
`BREAKING_BROKERS_REPOSITORY` and `BREAKING_BROKERS_BOOK_URL`. Without them no button leads there.
"""

from __future__ import annotations

import logging
import os
import shutil
from typing import Any

REPOSITORY = os.environ.get("BREAKING_BROKERS_REPOSITORY", "")

logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # the cards have one weight

project = "Breaking Brokers"
author = "Breaking Brokers contributors"
language = "en"
root_doc = "README"

extensions = ["myst_nb", "sphinx_copybutton", "sphinxext.opengraph"]
highlight_language = "none"  # for a block that doesn't name one
myst_heading_anchors = 3
nb_execution_mode = "off"  # a page shows what it stores
nb_merge_streams = True
nb_render_markdown_format = "myst"  # so that links in outputs are checked, too
nb_code_prompt_show = "Show the solution"
nb_code_prompt_hide = "Hide the solution"

html_theme = "sphinx_book_theme"
html_title = project
html_baseurl = ogp_site_url = os.environ.get("BREAKING_BROKERS_BOOK_URL", "")
ogp_social_cards: dict[str, object] = {
    "enable": bool(ogp_site_url),  # a picture that can't be found is none
    "line_color": "#0072B2",
}
html_static_path = ["static"]
html_favicon = "static/favicon.svg"
html_css_files = ["book.css"]
html_js_files = [("book.js", {"defer": "defer"})]
html_show_copyright = False
html_theme_options: dict[str, object] = {"navbar_persistent": [], "show_toc_level": 2}
if REPOSITORY:
    html_theme_options |= {
        "repository_url": REPOSITORY,
        "repository_branch": "main",
        "use_repository_button": True,
        "use_source_button": True,
        "use_edit_page_button": True,
        "use_issues_button": True,
        "launch_buttons": {
            "binderhub_url": "https://mybinder.org",
            "notebook_interface": "jupyterlab",
        },
    }


def launch(_app: Any, _page: str, _template: str, context: dict[str, Any], _tree: Any) -> None:
    """Binder opens the learner's own copy of a page; Codespaces opens the course."""
    for group in context["header_buttons"]:
        if group.get("label") == "launch-buttons":
            for button in group["buttons"]:
                button["url"] = button["url"].replace("/tree/notebooks/", "/tree/workbook/")
            codespaces = REPOSITORY.replace("github.com", "codespaces.new", 1)
            text, icon = "Codespaces", "fab fa-github"
            group["buttons"] += [
                {
                    "type": "link",
                    "text": text,
                    "tooltip": f"Launch on {text}",
                    "icon": icon,
                    "url": codespaces,
                }
            ]


def front(app: Any, failure: Exception | None) -> None:
    """The book's address without a page's name shows the landing page."""
    if not failure:
        shutil.copyfile(app.outdir / "README.html", app.outdir / "index.html")


def setup(app: Any) -> None:
    app.connect("html-page-context", launch, priority=900)  # after the theme has made its buttons
    app.connect("build-finished", front)
