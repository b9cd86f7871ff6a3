"""How the documentation is built: see CONTRIBUTING.md, "Documentation".

The source folder is the whole repository, of which only Markdown is taken, so that a link between
two files is the same on GitHub, in an editor and in the finished pages. Nothing is fetched, neither
here nor by the pages.
"""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

project = "sat-zoo"
author = "the authors of sat-zoo"
copyright = "the authors of sat-zoo, MIT licence"
release = version = version_of("sat-zoo")

extensions = [
    "sphinx.ext.autodoc",
    "myst_nb",
    *(f"docs.extensions.{name}" for name in ("mathml", "docstrings", "generated", "front")),
]
root_doc = "docs/index"
include_patterns = [
    "*.md",
    "docs/*.md",
    "docs/*.ipynb",
    "docs/api/*.md",
    "eval/README.md",
    "zoo/**/README.md",
]
exclude_patterns = ["**/.*", "**/node_modules", "build", "dist"]
smartquotes = False  # "--attack" is an option wherever it stands
nitpicky = True
# Types of other packages have no page here, and nothing is fetched that says where theirs is.
nitpick_ignore_regex = [("py:.*", r"(?!(eval|zoo|leaderboard)\.).*")]

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
nb_execution_mode = "off"  # its committed outputs are shown; docs/run_notebook.py compares them

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_title = f"sat-zoo {release}"
html_copy_source = False
html_show_sphinx = False
html_permalinks_icon = "#"
html_math_renderer = "mathml"
html_theme_options = {"top_of_page_buttons": []}
