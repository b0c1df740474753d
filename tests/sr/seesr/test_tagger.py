"""RAM and DAPE: tokens, logits and tags as the official code's."""

import hashlib
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from srscene.sr.seesr.checkpoint import ram
from srscene.sr.seesr.model import loading, tagger
from tests.sr.seesr.official import CPU, DATA, config, picture, recorded, weights

TOLERANCE = 1e-4
FILE = Path("ram.pth")


def tiny_tagger(dape: bool) -> tagger.Tagger:
    geometry, tensors = ram.combine(weights("ram_base"), weights("dape"), FILE, FILE)
    network = tagger.build(geometry)
    if not dape:
        tensors = loading.match(
            loading.shapes(network), weights("ram_base"), FILE, ram.official_name, ram.unused
        )
    return loading.fill(network, tensors, CPU, torch.float32)


@pytest.mark.parametrize("variant", ["dape", "ram_only"])
@torch.inference_mode()
def test_tokens_and_tags_are_the_official_ones(variant: str) -> None:
    shared, data = load_file(DATA / "ram_io.safetensors"), recorded("ram", variant)
    pictures = picture(shared["lr_uint8"]).float().div(255)
    network = tiny_tagger(dape=variant == "dape")

    prepared = tagger.prepare(pictures)
    torch.testing.assert_close(prepared[:, :, :8], shared["ram_input_rows0_8"], atol=1e-5, rtol=0)
    tagged = network(pictures)
    torch.testing.assert_close(tagged.logits, data["logits"], atol=TOLERANCE, rtol=0)
    tokens = network.swin_tokens(prepared)
    torch.testing.assert_close(tokens, data["swin_tokens"], atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(tagged.tokens, data["image_embeds"], atol=TOLERANCE, rtol=0)

    vocabulary = tagger.Vocabulary(config("ram_config")["tag_list"], shared["class_threshold"].tolist())
    assert vocabulary.names(tagged.logits) == [config("meta")[f"{variant}_tags"]]


def test_a_large_scene_is_not_smoothed_before_the_tagger_sees_it() -> None:
    stripes = torch.zeros(1, 3, 1152, 1152)
    stripes[..., 1::3] = 1.0  # of every third column, the one that sampling without antialiasing falls on
    prepared = tagger.prepare(stripes)
    white = (1 - torch.tensor(tagger.MEAN)) / torch.tensor(tagger.STD)
    torch.testing.assert_close(prepared, white.view(1, 3, 1, 1).expand_as(prepared))


def test_official_vocabulary() -> None:
    vocabulary = tagger.official_vocabulary()
    assert len(vocabulary.tags) == len(vocabulary.thresholds) == 4585
    assert all(tag and tag == tag.strip() for tag in vocabulary.tags)
    content = (files("srscene.sr.seesr.model") / "data" / "ram_tag_list.txt").read_bytes()
    assert hashlib.sha256(content).hexdigest().startswith("5d96d2f7225527480ad773aaac76b6e5")


def test_full_size() -> None:
    """Without memory: the sizes of RAM's Swin-L and tagging head."""
    swin_l = tagger.Geometry(192, (2, 2, 18, 2), (6, 12, 24, 48), 4585, 768, 3072, 2)
    network = tagger.build(swin_l)
    count = {
        name: sum(parameter.numel() for parameter in child.parameters())
        for name, child in network.named_children()
    }
    assert count["swin"] == 195_198_516  # timm's swin_large_patch4_window12_384
    assert sum(parameter.numel() for parameter in network.parameters()) == 212_117_045
    names = {ram.official_name(name) for name in network.state_dict()}
    assert "visual_encoder.layers.0.downsample.reduction.weight" in names
    assert "visual_encoder.layers.3.blocks.1.attn.relative_position_bias_table" in names
    assert "tagging_head.encoder.layer.1.crossattention.output.LayerNorm.bias" in names
