"""The site of the documentation: `make docs` builds it from this folder, warnings as errors."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for written.py, the pages that are written from the code
os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"  # of notebooks: no progress bars are wanted

project = "factneurons"
author = "The factneurons authors"
copyright = author
html_theme = "furo"
html_title = "factneurons"
html_show_sphinx = False

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "written"]
default_role = "code"  # docstrings mark code by single backticks
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
napoleon_use_ivar = True
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "force"  # notebooks are run at every build, and a cell that fails fails the build
nb_execution_raise_on_error = True
nb_execution_timeout = 900  # seconds of a cell: generous, as machines may be busy
nb_execution_in_temp = True  # what a notebook writes is gone with it
nb_merge_streams = True
