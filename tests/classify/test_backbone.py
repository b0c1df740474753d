"""Backbones: the paper's four, others, wrong names, window sizes, pretrained weights."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.layers import convert_sync_batchnorm
from torch import nn

from srscene.classify import backbone
from srscene.classify.options import PAPER
from srscene.runtime.console import BadInput


@pytest.mark.parametrize("name", PAPER)
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


@pytest.mark.parametrize("name", [*PAPER, "resnet50.a1_in1k", "test_vit"])
def test_what_timm_knows_passes(name: str) -> None:
    backbone.check_backbone(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet51", "did you mean 'resnet50'?"),
        ("vit_tiny", "nearest in timm: gcvit_tiny, davit_tiny"),
        ("resnet50.a1_in2k", "nearest in timm: resnet50.a1_in1k"),
        ("§", "known: resnet50, resnet101, resnet152, inception_v4"),
    ],
)
def test_an_unknown_name_lists_near_ones(name: str, said: str) -> None:
    for refuse in (backbone.check_backbone, lambda name: backbone.create(name, 120)):
        with pytest.raises(BadInput, match=f"params.yaml: backbone: timm knows no '{name}'; ") as caught:
            refuse(name)  # type: ignore[operator]
        assert said in str(caught.value)


def test_a_size_that_a_backbone_cannot_be_made_for() -> None:
    with torch.device("meta"), pytest.raises(BadInput, match="'nest_tiny' for images of 120×120 pixels"):
        backbone.create("nest_tiny", 120)


PRETRAINED = """
from srscene.classify.backbone import create
from srscene.runtime.console import BadInput
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


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet"])
def test_batch_norm_that_processes_share_keeps_names_and_values(name: str) -> None:
    """What training converts to on several GPUs; `test_efficientnet` has timm's own, with the activation."""
    model, images = backbone.create(name, 48).eval(), torch.rand(2, 3, 48, 48)
    expected, names = model(images), list(model.state_dict())
    model = convert_sync_batchnorm(model)
    assert any(isinstance(module, nn.SyncBatchNorm) for module in model.modules())
    assert list(model.state_dict()) == names
    assert torch.equal(model(images), expected)
