"""Whether an output can be written, asked before anything is computed."""

from pathlib import Path
from tempfile import TemporaryFile

from srscene.runtime.console import BadInput
from srscene.scene.source import Scene


def check_out(out: Path, scene: Scene | None, suffixes: tuple[str, ...]) -> None:
    """Raise BadInput where `out` has none of `suffixes`, is a file of the scene, or can't be written."""
    if out.suffix not in suffixes:
        found = out.suffix or "without a suffix"
        raise BadInput(f"{out}: named {found}, expected one of {', '.join(suffixes)}")
    try:
        if out.is_dir():
            raise BadInput(f"{out}: a folder, expected the name of a file to write; add one")
        if scene is not None and out.exists() and any(out.samefile(path) for path in scene.paths):
            raise BadInput(f"{out}: a file of the scene, which would be overwritten; give another name")
        folder = next(parent for parent in out.resolve().parents if parent.exists())
        if not folder.is_dir():
            raise BadInput(f"{out}: {folder} is a file, expected a folder; give another name")
        with TemporaryFile(dir=folder):  # also root meets disks that can't be written
            pass
    except OSError as error:
        raise BadInput(f"{out}: can't be written ({error.strerror}); name another folder") from None
