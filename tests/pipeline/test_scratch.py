"""What is in scratch never speaks for other code, parameters or data than it was made with.

Each thing that a stage declares is edited so that its result changes. Whether a finished run, a killed one or
none has left work behind, the edited tree then gives the same bytes.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from srscene import versions
from srscene.runtime import key
from tests.options import PARAMS, merged
from tests.pipeline import edits
from tests.pipeline.edits import Edit
from tests.pipeline.repository import FITTED, PYTHON, ROOT, TINY
from tests.scene.trained import write_scene
from tests.sr.sr_data import images, store

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
QUICK: dict[str, Any] = {
    "backbone": "test_resnet",
    "machine": {"batch_size": 1},
    "classifier": {"epochs": 2, "validate_every": 1, "batch_size": 4},
    "upscalers": {"srresnet": {"weights": {"fit": {"features": 4, "steps": 51, "crop": 8}}}},
}
"""On top of TINY and FITTED: a fit with a checkpoint before its end, two epochs."""
KNOWN = {"dataset": "synthetic", "bands": ["B04", "B03", "B02"], "reflectance_max": 2000}
SIDE = 40
SCENE = {
    "srscene upscale": "srscene upscale scene.tif -o made/scene.tif --sr srresnet --tile 40",
    "srscene predict": "srscene predict scene.tif -o made/map.geojson",
    "srscene predict --figure": "srscene predict scene.tif -o made/map.geojson --figure made/map.png",
}
COMMANDS = [*edits.STAGES, *SCENE]
EDITS = edits.STAGES | {f"srscene {command}": table for command, table in edits.COMMANDS.items()}
KEEPS: dict[str, set[str]] = {"predict": set()} | {command: {"killed"} for command in SCENE}
"""Which runs leave work; others do whether killed or finished, since DVC may not have recorded them yet."""
NAMED = {"train": 4}
"""Files of scratch that get their names before the kill, else 2: a piece and the note of its digest. The
first piece of `train` is weights alone.
"""

Result = dict[str, bytes]
"""The exit status, the line that says why it is not 0, and the outs by name."""


class Copy:
    """A copy of this checkout with data, in `folder`, in which commands run; scratch lies elsewhere."""

    def __init__(self, folder: Path, warm: Path) -> None:
        self.folder, self.whole, self.warm = folder, folder.with_name("whole"), warm

    def edit(self, edit: Edit) -> None:
        """Have what `whole` holds again, at the same place, but for an edit."""
        shutil.rmtree(self.folder)
        shutil.copytree(self.whole, self.folder)
        edit(self.folder)

    def run(self, command: str, root: Path, kill_after: int = 0) -> Result:
        """Run a command without its former outs; killed where so many pieces of scratch have their names."""
        outs = [self.folder / out for out in outs_of(command)]
        for out in outs:
            shutil.rmtree(out) if out.is_dir() else out.unlink(missing_ok=True)
        (self.folder / "made").mkdir(exist_ok=True)
        first = [self.warm / "stages", self.warm / "cli", PYTHON]
        environment = os.environ | {
            "PATH": os.pathsep.join([*map(str, first), os.environ["PATH"]]),
            "PYTHONPATH": str(self.folder / "src"),
            "DVC_ROOT": str(root),
            "KILL_AFTER_PIECES": str(kill_after),
        }
        done = subprocess.run(
            arguments(command), cwd=self.folder, env=environment, capture_output=True, text=True
        )
        files = [file for out in outs for file in ([out] if out.is_file() else out.rglob("*"))]
        result = {str(file.relative_to(self.folder)): file.read_bytes() for file in files if file.is_file()}
        said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert kill_after or done.returncode == bool(said), done.stderr
        return result | {"status": f"{done.returncode} {said}".encode()}


def arguments(command: str) -> list[str]:
    if command in SCENE:
        return SCENE[command].split()
    return ["python", "-m", f"stages.{command}"]


def outs_of(command: str) -> list[str]:
    if command in SCENE:
        return ["made"]
    declared = [out for kind in ("outs", "metrics", "plots") for out in STAGES[command].get(kind, [])]
    return [out if isinstance(out, str) else next(iter(out)) for out in declared]


def works(root: Path) -> dict[str, list[str]]:
    """The work in scratch, and the files of each."""
    folders = [path for path in root.glob(".scratch/*/*") if path.is_dir()]
    return {str(path.relative_to(root)): sorted(file.name for file in path.rglob("*")) for path in folders}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory, warm: Path) -> Copy:
    """A tiny pipeline, run once; in `other/` what the same stages make of other data and seeds."""
    copy = Copy(tmp_path_factory.mktemp("copy") / "srscene", warm)
    for name in ("src", "stages"):
        shutil.copytree(ROOT / name, copy.folder / name)
    shutil.copy(ROOT / "dvc.yaml", copy.folder)
    values = merged(merged(merged(PARAMS, TINY), FITTED), QUICK)
    (copy.folder / "params.yaml").write_text(yaml.safe_dump(values))
    versions.write(copy.folder / "data/versions")
    for number, place in enumerate((copy.folder, copy.folder / "other")):
        store(place / "data/patches", images(12, SIDE, SIDE, number), attributes=KNOWN)
        (place / "data/fit_seed.json").write_text(json.dumps(number))
        levels = images(1, 2 * SIDE, 3 * SIDE, number)[0].transpose(2, 0, 1)
        write_scene(place / "scene.tif", levels.astype("uint16") * 8)

    shutil.move(copy.folder, copy.whole)
    copy.folder.mkdir()

    def make(stage: str, other: Edit) -> None:
        """Run a stage; what it makes after an edit goes to `other/`."""
        for edit, place in ((other, copy.whole / "other"), (nothing, copy.whole)):
            copy.edit(edit)
            assert copy.run(stage, tmp_path_factory.mktemp("scratch"))["status"] == b"0 []"
            shutil.copytree(copy.folder / outs_of(stage)[0], place / outs_of(stage)[0])

    make("weights", edits.data("data/fit_seed.json"))
    make("upscale", edits.data("data/patches"))
    make("train", edits.params(seed=1))
    return copy


def nothing(copy: Path) -> None:
    """An edit that is none."""


@pytest.fixture(scope="module")
def left(copy: Copy, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    """What runs of the unedited tree leave, by command, made where it is asked for: the result, and by kind
    of run the folder with its scratch.
    """
    found: dict[str, dict[str, Any]] = {}

    def of(command: str) -> dict[str, Any]:
        if command not in found:
            roots = {kind: tmp_path_factory.mktemp(kind) for kind in ("none", "finished", "killed")}
            copy.edit(nothing)
            result = copy.run(command, roots["finished"])
            assert result["status"] == b"0 []"
            killed = copy.run(command, roots["killed"], NAMED.get(command, 2))
            assert command == "predict" or killed["status"] == f"{256 - 9} []".encode()
            kept = {kind: root for kind, root in roots.items() if kind == "none" or works(root)}
            assert kept.keys() - {"none"} == KEEPS.get(command, {"finished", "killed"})
            found[command] = {"result": result, "roots": kept}
        return found[command]

    return of


@pytest.mark.parametrize("command", COMMANDS)
def test_without_an_edit_a_run_goes_on(
    command: str, copy: Copy, left: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    roots = left(command)["roots"]
    copy.edit(nothing)
    for kind, root in roots.items():
        shutil.copytree(root, tmp_path / kind)
        before = works(root)
        assert copy.run(command, tmp_path / kind) == left(command)["result"], kind
        assert before.keys() >= works(tmp_path / kind).keys() or kind == "none"


@pytest.mark.parametrize(
    ("command", "what"), [(command, what) for command in EDITS for what in EDITS[command]]
)
def test_after_an_edit_nothing_of_before_counts(
    command: str, what: str, copy: Copy, left: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    roots = left(command)["roots"]
    copy.edit(EDITS[command][what])
    results = {}
    for kind, root in roots.items():
        shutil.copytree(root, tmp_path / kind)
        results[kind] = copy.run(command, tmp_path / kind)
    changes = what != edits.NETWORKS  # which stands for what is installed, and is not read
    assert (results["none"] != left(command)["result"]) == changes
    for kind, result in results.items():
        different = [name for name in results["none"] if result.get(name) != results["none"][name]]
        assert not different, f"{kind} work of before the edit counted"


@pytest.mark.parametrize("stage", edits.STAGES)
def test_all_that_a_stage_declares_is_edited(stage: str) -> None:
    declared = [*STAGES[stage]["deps"], *STAGES[stage].get("params", [])]
    assert set(edits.STAGES[stage]) == set(declared)


@pytest.mark.parametrize("command", key.COMMANDS)
def test_all_code_of_a_command_on_a_scene_is_edited(command: str) -> None:
    edited = set().union(*(table for name, table in edits.COMMANDS.items() if name.startswith(command)))
    assert edited >= set(key.COMMANDS[command])
