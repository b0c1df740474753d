"""What editors, notebooks, macOS and network disks leave among data."""

import shutil
from pathlib import Path


def litter(folder: Path) -> int:
    """Leave in `folder`, beside all that it holds, what is no data: often with a name much like it.

    Return the number of such files.
    """
    before = list(folder.rglob("*"))
    files = [path for path in before if path.is_file()]
    copy = shutil.copytree(folder, folder.with_name("copy"))
    for file in files:
        for name in (f"._{file.name}", f".{file.name}.swp", f"{file.name}~", f".nfs000{file.name}"):
            file.with_name(name).write_bytes(b"\0\5\26\7")
        (file.parent / ".ipynb_checkpoints").mkdir(exist_ok=True)
        shutil.copy(file, file.parent / ".ipynb_checkpoints" / file.name)
    for place in [folder, *(path for path in before if path.is_dir())]:
        (place / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    shutil.move(copy, folder / "__MACOSX")
    return sum(path.is_file() for path in folder.rglob("*")) - len(files)
