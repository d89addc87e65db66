"""How the documentation is built: `make docs`. A warning is an error."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from gpuspawner._version import __version__

project = "gpuspawner"
copyright = "2026, the gpuspawner contributors"
author = "the gpuspawner contributors"
version = release = __version__

extensions = ["myst_parser", "gpuspawner_docs"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True

html_theme = "alabaster"
html_title = f"gpuspawner {release}"
html_static_path = ["_static"]
html_css_files = ["gpuspawner.css"]
html_theme_options = {
    "description": "A GPU machine for every student",
    "fixed_sidebar": True,
    "page_width": "1180px",
    "sidebar_width": "230px",
}
