"""Change a fact: suppress, enhance, erase or update it through a few neurons' out-weights, and undo it bit for bit."""

from factneurons.editing.kinds import KINDS
from factneurons.editing.making import edit
from factneurons.editing.saved_model import save_edited
from factneurons.editing.settings import EditSettings
from factneurons.editing.storage import read_edit, write_edit
from factneurons.editing.types import Edit, stacked

__all__ = ["KINDS", "Edit", "EditSettings", "edit", "read_edit", "save_edited", "stacked", "write_edit"]
