"""Names of what no program of ours wrote or reads: it is no data, and counts in no key."""

import re
from fnmatch import translate

FOREIGN = (
    ".*.sw?", "*~", ".#*", "#*#",  # editors' swap, backup, lock and autosave files
    ".nfs*",  # what was deleted, but is still open, on a network's disk
    "._*", ".DS_Store", "__MACOSX",  # macOS
    "Thumbs.db", "desktop.ini",  # Windows
    ".ipynb_checkpoints", "__pycache__", "*.pyc",
)  # fmt: skip
"""Patterns of files' and folders' names; `.dvcignore` has the same."""

_FOREIGN = re.compile("|".join(map(translate, FOREIGN)))


def foreign(path: str) -> bool:
    """Tell whether a file or folder is no data of ours: by its name, or that of a folder in its path."""
    return any(map(_FOREIGN.match, path.split("/")))
