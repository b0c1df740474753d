"""Our maps against pytorch-grad-cam's own call, and the layer it looks at."""

import numpy as np
import pytest
import timm
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from srscene.explain.cam import ClassMaps
from srscene.explain.layer import PAPER, find_layer
from srscene.runtime.console import BadInput


def model_of(name: str, **options: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return timm.create_model(name, num_classes=19, **options).eval()


def images(count: int, side: int) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ["resnet10t", "mobilenetv3_small_050"])
def test_maps_equal_the_librarys_for_every_label(name: str) -> None:
    batch = images(2, 96)
    model = model_of(name)
    probabilities, maps = ClassMaps(model, find_layer(name, model, batch[:1]))(batch)
    assert maps.shape == (2, 19, 3, 3)
    assert (maps >= 0).all()

    reference = model_of(name)
    layer = find_layer(name, reference, batch[:1])
    official = GradCAM(reference, [layer.module])
    for label in range(19):
        expected = official(batch, [ClassifierOutputTarget(label)] * 2)
        ours = scale_cam_image(scale_cam_image(maps[:, label], (96, 96)))
        assert np.abs(ours - expected).max() < 1e-3, label
    assert probabilities == pytest.approx(reference(batch).sigmoid().detach().numpy(), abs=1e-6)


def test_a_label_that_nothing_speaks_for_has_an_empty_map() -> None:
    batch = images(2, 64)
    model = model_of("resnet10t")
    with torch.no_grad():
        model.fc.weight[3] = -1  # features are ≥ 0 after the last ReLU: they can only speak against it
        model.fc.weight[4] = 1
    _, maps = ClassMaps(model, find_layer("resnet10t", model, batch[:1]))(batch)
    assert not maps[:, 3].any()
    assert maps[:, 4].any()


def test_a_batch_gives_what_its_images_give_alone() -> None:
    batch = images(3, 64)
    model = model_of("resnet10t")
    class_maps = ClassMaps(model, find_layer("resnet10t", model, batch[:1]))
    together = class_maps(batch)
    alone = [class_maps(image[None]) for image in batch]
    for index in range(2):
        assert together[index] == pytest.approx(np.concatenate([parts[index] for parts in alone]), abs=1e-5)


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_layers_are_what_the_search_finds(name: str) -> None:
    with torch.device("meta"):
        model = model_of(name)
        named = find_layer(name, model, torch.empty(1, 3, 120, 120))
        found = find_layer("another name", model, torch.empty(1, 3, 120, 120))
        outputs = []
        for layer in (named, found):
            layer.module.register_forward_hook(lambda module, inputs, output: outputs.append(output))
        features = model.forward_features(torch.empty(1, 3, 120, 120))
    assert len(outputs) == 2
    assert all(output is features for output in outputs)


@pytest.mark.parametrize(
    ("name", "side", "cells"),
    [
        ("efficientnet_b0", 64, 2),
        ("convnext_atto", 64, 2),
        ("swin_tiny_patch4_window7_224", 224, 7),  # channels last
        ("vit_tiny_patch16_224", 224, 14),  # tokens behind a class token
        ("deit_tiny_distilled_patch16_224", 224, 14),  # tokens behind two
    ],
)
def test_other_backbones_have_maps_of_their_own_grid(name: str, side: int, cells: int) -> None:
    batch = images(1, side)
    model = model_of(name)
    _, maps = ClassMaps(model, find_layer(name, model, batch))(batch)
    assert maps.shape == (1, 19, cells, cells)
    assert np.isfinite(maps).all()
    assert maps.any()


def test_a_backbone_without_a_map_is_refused() -> None:
    class Flat(torch.nn.Module):
        def forward_features(self, images: torch.Tensor) -> torch.Tensor:
            return images.flatten(1)

    with pytest.raises(BadInput, match=r"backbone: 'flat' keeps no map") as error:
        find_layer("flat", Flat(), images(1, 8))
    assert "\n" not in str(error.value)
