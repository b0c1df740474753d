"""A key is as narrow as the truth: each edit reruns the stages whose results it can change, and no others.

What came out is looked at too: an edit that can change no byte changed none.

Real runs on a few patches, since `--dry` misreports what follows a change. Edits build on each other, in this
order; a code edit is a comment more, which changes no result.
"""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.pipeline.repository import FITTED, Repo, executed, make_repo
from tests.sr.seesr import tiny_checkpoint

EVALUATION = {"predict", "evaluate", "explain"}
TRAINING = {"train", *EVALUATION}
UPSCALING = {"upscale", "assess", *TRAINING}
WEIGHTS = {"weights", *UPSCALING}
INGESTION = {"ingest", *WEIGHTS}


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory, warm: Path) -> Repo:
    """A repository in which the pipeline ran once, with SRResNet fitted there and a backbone of seconds."""
    repo = make_repo(tmp_path_factory.mktemp("keys") / "srscene", warm / "stages")
    repo.set(**FITTED, backbone="test_resnet")
    repo.repro()
    repo.commit("Results")
    return repo


def outs(repo: Repo) -> dict[str, Any]:
    """Each stage's outs, with their hashes, as dvc.lock has them."""
    stages = yaml.safe_load((repo.folder / "dvc.lock").read_text())["stages"]
    return {stage: values.get("outs") for stage, values in stages.items()}


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {stage for stage in after if before[stage] != after[stage]}


CODE = {
    "a word that a progress bar says": ("src/srscene/runtime/console.py", set()),
    "a colour in a figure": ("src/srscene/figures.py", {"assess", "evaluate", "explain"}),
    "the look of the training curve": ("src/srscene/evaluate/training_curve.py", {"evaluate"}),
    "the HTTP client": ("src/srscene/sr/weights/download.py", {"weights"}),
    "the fit": ("src/srscene/sr/weights/fit.py", {"weights"}),
    "the upscaler's weights.py": ("src/srscene/sr/srresnet/weights.py", {"weights"}),
    "the loop that upscales": ("src/srscene/sr/run.py", {"upscale"}),
    "the training": ("src/srscene/classify/train.py", {"train", "predict", "explain"}),
    "an upscaler that is not selected": ("src/srscene/sr/hat/model/network.py", set()),
}
"""What is edited -> its file, and the stages that must run."""


@pytest.mark.parametrize("what", CODE)
def test_an_edit_to_the_code(repo: Repo, what: str) -> None:
    file, expected = CODE[what]
    before = outs(repo)
    with (repo.folder / file).open("a") as source:
        source.write("# an edit\n")
    assert repo.repro() - {"check"} == expected
    assert not changed(before, outs(repo))


def test_what_no_program_reads(repo: Repo) -> None:
    for place in ("src/srscene/core", "stages", "data/raw/synthetic", "data/upscaled"):
        for name in (".x.py.swp", "x~", ".nfs01", "._x", ".DS_Store", "__pycache__/x"):
            file = repo.folder / place / name
            file.parent.mkdir(exist_ok=True)
            file.touch()
    assert repo.repro() == set()
    repo.run("git", "clean", "-fdq", "src", "stages")


NEUTRAL = {
    "an upscaler": (
        "src/srscene/sr/srresnet/options.py",
        "class UpscaleOptions(Compilable):",
        {"upscalers": {"srresnet": {"upscale": {"extra": False}}}},
        {"check", "weights", "upscale"},
    ),
    "the classifier": (
        "src/srscene/classify/options.py",
        "    pretrained: bool",
        {"classifier": {"extra": False}},
        {"check", "train", "predict", "explain"},
    ),
}
"""What gets a new option -> its file, behind what there, how params.yaml has it, and which stages must run:
those whose code it is, and nobody behind them."""


@pytest.mark.parametrize("what", NEUTRAL)
def test_an_option_more_at_its_neutral_value(repo: Repo, what: str) -> None:
    file, before, values, expected = NEUTRAL[what]
    source = repo.folder / file
    text = source.read_text()
    field = (
        '    extra: __import__("typing").Annotated[bool, __import__("srscene").runtime.params.Neutral(False)]'
    )
    source.write_text(text.replace(before, f"{before}\n{field}"))
    repo.set(**values)
    results = outs(repo)
    assert repo.repro() == expected
    assert not changed(results, outs(repo))


VERSIONS = {
    "scikit-learn": {"assess", "evaluate"},
    "pyarrow": {"synthesize", "examples", "ingest"},
    "torch": {"assess", "evaluate", "weights", "upscale", "train", "predict", "explain"},
    "matplotlib": {"assess", "evaluate", "explain"},
    "tqdm": set(),
}
"""Which package gets another version in requirements.lock -> the stages that must run."""


@pytest.mark.parametrize("package", VERSIONS)
def test_another_version(repo: Repo, package: str) -> None:
    lock = repo.folder / "requirements.lock"
    text = lock.read_text()
    lock.write_text(text.replace(f"\n{package}==", f"\n{package}==99."))
    before = outs(repo)
    said = repo.dvc("repro")
    assert changed(before, outs(repo)) == ({"check"} if VERSIONS[package] else set())
    assert executed(said) == {"check", *VERSIONS[package]}
    assert (f"{package} {version(package).partition('+')[0]} (locked: 99." in said) == bool(VERSIONS[package])


def edit(**values: Any) -> dict[str, Any]:
    return values


PARAMS = {
    "speed and memory": (edit(machine={"batch_size": 2, "workers": 1}), set()),
    "sections that are not selected": (
        edit(
            upscalers={"hat": {"upscale": {"precision": "bf16"}}},
            datasets={"examples": {"reflectance_max": 1999}},
        ),
        set(),
    ),
    "a precision": (edit(upscalers={"srresnet": {"upscale": {"precision": "bf16"}}}), UPSCALING),
    "the seed, where weights are fitted": (edit(seed=1), WEIGHTS),
    "the backbone": (edit(backbone="test_efficientnet"), TRAINING),
    "the upscaler": (edit(sr="bicubic", backbone="test_resnet"), WEIGHTS),
    "the seed, where weights are not fitted": (edit(seed=2), TRAINING),
    "the data set": (edit(dataset="examples"), INGESTION),
}


@pytest.mark.parametrize("what", PARAMS)
def test_an_edit_to_the_parameters(repo: Repo, what: str) -> None:
    """Stage `check` reads all of params.yaml, so it runs at any edit there; its outs stay the same."""
    values, expected = PARAMS[what]
    before = outs(repo)
    repo.set(**values)
    assert repo.repro() == {"check", *expected}
    results = changed(before, outs(repo)) - {"check"}
    assert results <= expected
    assert bool(results) == bool(expected)


def test_flipping_back_runs_nothing(repo: Repo) -> None:
    repo.run("git", "checkout", "-q", ".")
    assert repo.repro() == set()
    assert repo.run("git", "status", "--porcelain") == ""


def test_a_launcher_is_part_of_no_key(repo: Repo) -> None:
    repo.environment["SRSCENE_LAUNCH"] = "env"  # starts what follows, as torchrun does
    assert repo.repro() == set()
    assert repo.repro("-f", "-s", "predict") == {"predict"}
    del repo.environment["SRSCENE_LAUNCH"]
    assert repo.repro() == set()
    assert repo.run("git", "status", "--porcelain") == ""


def test_an_edit_that_changes_no_byte_can_be_accepted(repo: Repo) -> None:
    with (repo.folder / "src/srscene/sr/run.py").open("a") as source:
        source.write("# a variable was renamed\n")
    repo.dvc("commit", "-f", "upscale")
    assert repo.repro() <= {"check"}
    repo.run("git", "checkout", "-q", ".")


def test_seesrs_steps_leave_its_weights_alone(repo: Repo, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    tiny_checkpoint.write(folder)
    tiles = {"process_size": 480, "tile": 16, "tile_overlap": 0}
    quick = {"steps": 1, "guidance": 1.0, "precision": "fp32", **tiles}
    seesr = {"weights": {"source": str(folder)}, "upscale": quick}
    repo.set(
        sr="seesr", upscalers={"seesr": seesr}, datasets={"synthetic": {"train": 1, "val": 1, "test": 1}}
    )
    assert repo.repro() == {"check", "synthesize", *INGESTION}
    upscaling = json.loads((repo.folder / "metrics/upscaling.json").read_text())
    assert (upscaling["sr"], upscaling["scale"]) == ("seesr", 4)
    repo.set(upscalers={"seesr": {"upscale": {"steps": 2}}})
    assert repo.repro("upscale") == {"check", "upscale"}
