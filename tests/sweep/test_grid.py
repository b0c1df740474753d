"""The parameters of a sweep's cells are those that DVC will write into params.yaml for them."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from srscene.compare.results import identity
from srscene.runtime.console import BadInput
from srscene.runtime.params import parse
from srscene.sweep.experiments import overridden
from srscene.sweep.grid import Grid, from_options, wanted
from tests.options import PARAMS, merged, written
from tests.pipeline.repository import Repo

AWKWARD = r"""
classifier.pretrained=010 classifier.epochs=1e-4 classifier.batch_size=yes classifier.learning_rate=null
classifier.weight_decay=[1,2] classifier.warmup=1_000 classifier.crop={a:0x10} classifier.dropout=.5
classifier.drop_path= classifier.patience='1e-4' classifier.compile=TRUE classifier.precision=1:30
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the committed parameters, in which the test runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(written(PARAMS))
    return tmp_path


def test_a_value_is_what_dvc_makes_of_it(here: Path) -> None:
    sets = [*AWKWARD.split(), "upscalers.seesr.upscale.prompt='a b'"]
    found = overridden(sets)
    assert parse((here / "params.yaml").read_bytes()) == PARAMS
    (here / "dvc.yaml").write_text("stages: {only: {cmd: 'true', params: [seed]}}")
    repo = Repo(here)
    repo.run("git", "init", "-q")
    repo.dvc("init", "-q")
    repo.commit("All")
    repo.dvc("exp", "run", "-q", *(part for text in sets for part in ("-S", text)))
    assert repr(parse((here / "params.yaml").read_bytes())) == repr(found)
    assert [found["classifier"][key] for key in ("pretrained", "epochs", "batch_size", "learning_rate")] == [
        "010", 1e-4, "yes", None,
    ]  # fmt: skip


def test_a_cell_is_what_dvc_makes_of_its_overrides(here: Path) -> None:
    grid = Grid(sr=["none", "bicubic"], backbone=["resnet18", "resnet50.a1_in1k"], seed=[0, 7])
    cells = wanted(grid, ["classifier.learning_rate=1e-4"])
    assert len({cell.identity for cell in cells}) == len(cells) == 8
    assert [identity(overridden(cell.overrides)) for cell in cells] == [cell.identity for cell in cells]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=12) | st.text(r"""'"\ ${},[]=:x10""", max_size=8))
@example("010")
@example("1e-4")
@example("yes")
@example("null")
@example("~")
@example("a, b")
def test_a_text_in_a_grid_file_stays_what_it_is(here: Path, prompt: str) -> None:
    """OmegaConf alone reads `${`, and YAML knows no other line break than its own."""
    values = merged(PARAMS, {"sr": "seesr", "upscalers": {"seesr": {"upscale": {"prompt": prompt}}}})
    (here / "grid.yaml").write_text(written({"set": {"upscalers.seesr.upscale": {"prompt": prompt}}}))
    try:
        (cell,) = wanted(from_options(Path("grid.yaml"), "seesr", None, None))
    except BadInput:
        assert "${" in prompt or not prompt.isprintable()
    else:
        assert cell.identity == identity(values)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("classifier.epoch=2", "no parameter 'classifier.epoch'; did you mean 'epochs'?"),
        ("classifier.epochs=0", "classifier.epochs: Input should be greater than 0, found 0"),
        ("classifier.epochs=010", "classifier.epochs: Input should be a valid integer, found '010'"),
        ("classifier.epochs", "-S classifier.epochs: .*; expected key=value, e.g. classifier.epochs=8"),
        ("classifier.epochs=1,2", "-S classifier.epochs=1,2: .*; expected key=value"),
        ("classifier.epochs=range(1,3)", r"-S classifier.epochs=range\(1,3\): .*; expected key=value"),
        ("classifier.epochs=${x}", "-S .*: Interpolation key 'x' not found"),
        ("classifier.epochs=" + "9" * 200, "-S .*; expected key=value"),
        ("sr=hat", "sr: an axis of the grid"),
        ("+more=1", "no parameter '.more'"),
    ],
)
def test_what_can_t_be_one_value_of_a_parameter_is_refused_in_a_line(
    here: Path, override: str, message: str
) -> None:
    with pytest.raises(BadInput, match=message) as error:
        wanted(Grid(), [override])
    assert str(error.value).isprintable()


def test_a_seed_is_a_number_without_a_sign(here: Path) -> None:
    assert from_options(None, "none", None, " 0, 12,").seed == [0, 12]
    with pytest.raises(BadInput, match=r"grid.seed.1: Input should be a valid integer, found '-1'"):
        from_options(None, None, None, "0,-1")
