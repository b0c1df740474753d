"""The upscaler of a scene is found with its own options and weights, or one line says what is missing."""

from pathlib import Path

import pytest

from srscene.core.console import BadInput
from srscene.core.outputs import write_json
from srscene.scene.model import find_model
from srscene.sr.common.checkpoints import weights_sha256
from tests.sr.sr_data import checkpoint

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


def test_params_tell_the_options(models: Path) -> None:
    found = find_model(None, models)
    assert (found.name, found.options.model_dump(), found.reflectance_max) == (
        "srresnet", {"precision": "auto"}, 2000,
    )  # fmt: skip
    assert found.weights == weights_sha256(models)


def test_without_params_the_classifiers_card_does(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = find_model(None, None)
    assert (found.name, found.options.model_dump(), found.reflectance_max) == (
        "srresnet", {"precision": "bf16"}, 3000,
    )  # fmt: skip
    with pytest.raises(BadInput, match=r"params\.yaml: not found, .* tells upscalers\.bicubic\.upscale"):
        find_model("bicubic", None)


def test_what_needs_no_weights_leaves_anothers_alone(models: Path) -> None:
    assert find_model("bicubic", models).weights is None


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


def test_nothing_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=r"no upscaler's card there, and no params\.yaml here"):
        find_model(None, None)
