"""How Sphinx builds the documentation site: `nox -s docs`. Its source is the repository, so links stay as they are.

Nothing is fetched, neither while building nor while reading: the theme brings its own styles, and text is set in the
fonts of the reader's system.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "ascend-wheelhouse"
html_title = project
extensions = ["myst_parser", "pages"]
root_doc = "docs/README"
include_patterns = ["*.md", "docs/*.md", "recipes/README.md", "lockfiles/README.md", "benchmarks/README.md"]
exclude_patterns = [
    ".*",
    "**/.*",
    "build",
    "bundles",
    "deploy",
    "dist",
    "reports",
    "src",
    "tests",
    "verify-reports",
]
nitpicky = True

html_theme = "furo"
html_copy_source = False
html_show_copyright = False
html_css_files = ["site.css"]
html_static_path = ["static"]
highlight_language = "none"  # the plain blocks are commands with their output
myst_heading_anchors = 4
smartquotes = False  # `--` in a help text is an option, not a dash
