"""Backbones: the paper's four, others, wrong names, window sizes, the folder of a trained one."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from srscene.classify import backbone
from srscene.classify.backbone import Card, load_classifier, normalise
from srscene.console import BadInput
from srscene.labels import CLASSES

CARD = Card(
    "test_resnet", CLASSES, 48, 40, (0.5, 0.4, 0.3), (0.1, 0.2, 0.3), False, 3, 2, 0.5, "fp32", {"sr": "none"}
)  # fmt: skip


@pytest.mark.parametrize("name", ["resnet50", "resnet101", "resnet152", "inception_v4"])
def test_the_papers_backbones_take_patches_and_upscaled_ones(name: str) -> None:
    for side in (120, 480):
        with torch.device("meta"):
            model = backbone.create(name, side)
            assert model(torch.empty(2, 3, side, side)).shape == (2, 19)


def test_smallest_window() -> None:
    with torch.device("meta"):
        inception = backbone.create("inception_v4", 120)
        resnet = backbone.create("resnet18", 120)
    assert backbone.smallest_window(inception, 60, 120) == 75
    assert backbone.smallest_window(inception, 100, 120) == 100
    assert backbone.smallest_window(resnet, 60, 120) == 60
    with pytest.raises(BadInput, match="60×60"):
        backbone.smallest_window(inception, 30, 60)


def test_a_backbone_of_fixed_size_is_made_for_the_images() -> None:
    with torch.device("meta"):
        model = backbone.create("vit_tiny_patch16_224", 128)
    assert backbone.smallest_window(model, 64, 128) == 128


def test_unknown_name_lists_near_ones() -> None:
    with pytest.raises(BadInput, match=r"backbone: timm knows no 'resnet5o'; near matches: resnet50\b"):
        backbone.create("resnet5o", 120)


PRETRAINED = """
from srscene.classify.backbone import create
from srscene.console import BadInput
print(create("test_resnet", 48, pretrained=True).conv1[0].weight.flatten()[0].item())
for name in ("resnet50", "test_resnet_without_weights"):
    try:
        create(name, 48, pretrained=True)
    except BadInput as error:
        print(error)
"""


def test_pretrained_weights_come_from_the_hubs_cache_or_are_asked_for_in_one_line(tmp_path: Path) -> None:
    repository = tmp_path / "hub" / "models--timm--test_resnet.r160_in1k"
    snapshot = repository / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("1")
    weights = timm.create_model("test_resnet").state_dict()
    weights["conv1.0.weight"].fill_(0.125)
    save_file(weights, snapshot / "model.safetensors")
    closed = "http://127.0.0.1:9"  # nobody listens there: no network, on any machine
    environment = os.environ | {"HF_HOME": str(tmp_path), "HTTPS_PROXY": closed, "https_proxy": closed}
    run = subprocess.run([sys.executable, "-c", PRETRAINED], env=environment, capture_output=True, text=True)
    lines = run.stdout.splitlines()
    assert lines[0] == "0.125", run.stderr
    assert lines[1].startswith(
        "params.yaml: classifier.pretrained: no weights of 'resnet50' in the Hub's cache"
    )
    assert "timm knows no" in lines[2]


def test_normalise_is_the_plain_formula_and_channels_last() -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3)).astype(np.uint8))
    found = normalise(images, CARD)
    expected = (
        images.numpy().transpose(0, 3, 1, 2) / 255 - np.reshape(CARD.mean, (1, 3, 1, 1))
    ) / np.reshape(CARD.std, (1, 3, 1, 1))
    assert found.dtype == torch.float32
    assert found.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_a_classifier_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    model = backbone.create("test_resnet", 48).eval()
    backbone.save_weights(model.to(memory_format=torch.channels_last), tmp_path / "model.safetensors")
    backbone.save_card(CARD, tmp_path)
    loaded, card = load_classifier(tmp_path, torch.device("cpu"))
    assert card == CARD
    images = torch.rand(2, 3, 48, 48)
    with torch.inference_mode():
        assert torch.equal(loaded(images), model(images))


def test_a_folder_without_a_whole_classifier_is_refused(tmp_path: Path) -> None:
    cpu = torch.device("cpu")
    with pytest.raises(BadInput, match="no whole classifier"):
        load_classifier(tmp_path, cpu)
    backbone.save_weights(backbone.create("test_resnet", 48), tmp_path / "model.safetensors")
    backbone.save_card(replace(CARD, classes=tuple(sorted(CLASSES))), tmp_path)
    with pytest.raises(BadInput, match="classes"):
        load_classifier(tmp_path, cpu)
    backbone.save_card(CARD, tmp_path)
    (tmp_path / "model.safetensors").write_bytes((tmp_path / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(BadInput, match="no whole classifier"):
        load_classifier(tmp_path, cpu)
    card = json.loads((tmp_path / "card.json").read_text())
    del card["mean"]
    (tmp_path / "card.json").write_text(json.dumps(card))
    with pytest.raises(BadInput, match="no whole classifier"):
        load_classifier(tmp_path, cpu)
