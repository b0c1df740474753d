"""RAM and DAPE: tokens, logits and tags as the official code's, and the merging of DAPE's updates."""

import hashlib
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from official import CPU, DATA, config, picture, recorded, weights
from safetensors.torch import load_file

from srscene.console import BadInput
from srscene.sr.seesr import loading, tagger

TOLERANCE = 1e-4
FILE = Path("DAPE.pth")


def tiny_tagger(dape: bool) -> tagger.Tagger:
    tensors = weights("ram_base")
    if dape:
        tensors = tagger.merge_dape(tensors, weights("dape"), FILE)
    network = tagger.build(tagger.read_geometry(tensors, FILE))
    matched = loading.match(network, tensors, FILE, tagger.official_name, tagger.unused)
    return loading.fill(network, matched, CPU, torch.float32)


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
    if variant == "dape":
        tokens = network.swin_tokens(prepared)
        torch.testing.assert_close(tokens, data["swin_tokens"], atol=TOLERANCE, rtol=0)
        torch.testing.assert_close(tagged.tokens, data["image_embeds"], atol=TOLERANCE, rtol=0)

    vocabulary = tagger.Vocabulary(config("ram_config")["tag_list"], shared["class_threshold"].tolist())
    assert vocabulary.names(tagged.logits) == [config("meta")[f"{variant}_tags"]]


def test_official_vocabulary() -> None:
    vocabulary = tagger.official_vocabulary()
    assert len(vocabulary.tags) == len(vocabulary.thresholds) == 4585
    assert all(tag and tag == tag.strip() for tag in vocabulary.tags)
    content = (files("srscene.sr.seesr") / "data" / "ram_tag_list.txt").read_bytes()
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
    names = {tagger.official_name(name) for name in network.state_dict()}
    assert "visual_encoder.layers.0.downsample.reduction.weight" in names
    assert "visual_encoder.layers.3.blocks.1.attn.relative_position_bias_table" in names
    assert "tagging_head.encoder.layer.1.crossattention.output.LayerNorm.bias" in names


def test_updates_of_query_and_value_alone() -> None:
    ram, dape = weights("ram_base"), weights("dape")
    merged = tagger.merge_dape(ram, dape, FILE)
    module = "visual_encoder.layers.0.blocks.0.attn.qkv"
    query, key, value = (merged[f"{module}.weight"] - ram[f"{module}.weight"].float()).chunk(3)
    assert query.abs().max() > 0
    assert key.abs().max() == 0
    assert value.abs().max() > 0


def test_trained_tag_encoder_is_refused() -> None:
    dape = weights("dape")
    name = next(name for name in dape if name.startswith("tag_encoder.") and name.endswith("lora_B"))
    dape[name] = torch.ones_like(dape[name])
    with pytest.raises(BadInput, match=r"DAPE\.pth.*tag_encoder.*not zero"):
        tagger.merge_dape(weights("ram_base"), dape, FILE)


def test_other_files_are_refused() -> None:
    with pytest.raises(BadInput, match=r"DAPE\.pth.*unexpected tensor 'fc\.bias'"):
        tagger.merge_dape(weights("ram_base"), {"fc.bias": torch.zeros(1)}, FILE)
    with pytest.raises(BadInput, match=r"no tensor .*ram_swin_large_14m\.pth"):
        tagger.read_geometry({"fc.bias": torch.zeros(1)}, FILE)
    wide = weights("dape")
    name = "visual_encoder.layers.0.blocks.0.attn.qkv.lora_A"
    wide[name] = torch.cat([wide[name], wide[name]], dim=1)
    with pytest.raises(BadInput, match=r"attn\.qkv' has shape \(36, 24\), RAM's is \(36, 12\)"):
        tagger.merge_dape(weights("ram_base"), wide, FILE)
