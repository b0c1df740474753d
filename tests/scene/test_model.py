"""The upscaler of a scene is found with its own options and weights, or one line says what is missing."""

from pathlib import Path

import pytest

from srscene.core.tables import write_json
from srscene.runtime.console import BadInput
from srscene.scene.model import find_model
from srscene.sr.common.checkpoints import weights_sha256
from tests.sr.sr_data import checkpoint

FOREIGN = "upscalers: {fancy: 1}\nmachine: gpu-box\nsr: fast\ntrain: {epochs: 3}\n"
IMAGES = {"sr": "srresnet", "options": {"precision": "bf16"}, "reflectance_max": 3000}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """models/ as it is pulled: SRResNet's weights, and the card of a classifier that saw its images."""
    folder = tmp_path / "models" / "upscaler"
    folder.mkdir(parents=True)
    checkpoint("msrresnet", folder / "weights.safetensors")
    write_json(folder / "card.json", {"sr": "srresnet"})
    write_json(tmp_path / "models" / "classifier" / "card.json", {"images": IMAGES})
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without srscene's params.yaml."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_params_tell_the_options(models: Path) -> None:
    found = find_model(None, models)
    assert (found.name, found.options.model_dump(), found.reflectance_max) == (
        "srresnet", {"precision": "auto", "compile": False}, 2000,
    )  # fmt: skip
    assert found.weights == weights_sha256(models)


@pytest.mark.parametrize("foreign", [False, True])
def test_without_params_or_with_another_project_s_the_classifiers_card_does(
    models: Path, elsewhere: Path, foreign: bool
) -> None:
    if foreign:
        (elsewhere / "params.yaml").write_text(FOREIGN)
    found = find_model(None, None)
    assert (found.name, found.options.model_dump(), found.reflectance_max) == (
        "srresnet", {"precision": "bf16", "compile": False}, 3000,
    )  # fmt: skip
    write_json(models / "card.json", {"sr": "realesrgan"})
    with pytest.raises(
        BadInput, match=r"params\.yaml: none of srscene's here, .* tells upscalers\.realesrgan\.upscale"
    ):
        find_model(None, None)


def test_what_needs_no_weights_leaves_anothers_alone(models: Path) -> None:
    assert find_model("bicubic", models).weights is None


@pytest.mark.parametrize(("name", "options"), [("none", {}), ("bicubic", {"scale": 4})])
def test_what_needs_no_weights_needs_nothing_else(
    elsewhere: Path, name: str, options: dict[str, int], capsys: pytest.CaptureFixture
) -> None:
    found = find_model(name, None)
    assert (found.options.model_dump(), found.reflectance_max) == (options, 2000)
    assert "tells which reflectance becomes 255: 2000 of 10,000" in capsys.readouterr().out
    assert find_model(name, None, 3000).reflectance_max == 3000


def test_it_takes_the_range_that_the_classifiers_card_tells(models: Path, elsewhere: Path) -> None:
    assert find_model("bicubic", None).reflectance_max == 3000


def test_a_folder_that_is_not_there_is_refused_also_where_no_weights_are_needed() -> None:
    for name in ("bicubic", None):
        with pytest.raises(
            BadInput, match=r"models/upscalr: not there, expected the folder of an upscaler's"
        ):
            find_model(name, Path("models/upscalr"))


def test_weights_of_another(models: Path) -> None:
    with pytest.raises(BadInput, match=r"holds what srresnet needs, expected hat.s weights; .*sr=hat"):
        find_model("hat", models)


def test_no_weights(models: Path) -> None:
    (models / "weights.safetensors").unlink()
    with pytest.raises(
        BadInput, match=r"weights\.safetensors: not there, but srresnet needs it; run `dvc pull"
    ):
        find_model(None, models)


def test_a_damaged_card(models: Path) -> None:
    (models / "card.json").write_text("[")
    with pytest.raises(BadInput, match=r"card\.json: damaged .*; expected a card"):
        find_model(None, models)


def test_nothing_at_all(elsewhere: Path) -> None:
    with pytest.raises(BadInput, match=r"no upscaler's card there, and no params\.yaml here"):
        find_model(None, None)
