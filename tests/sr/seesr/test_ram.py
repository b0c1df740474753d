"""RAM's and DAPE's checkpoints: how the updates are merged, and every way in which the files can be wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from srscene.runtime.console import BadInput
from srscene.sr.seesr.checkpoint import ram
from tests.sr.seesr.official import weights

RAM, DAPE = Path("ram_swin_large_14m.pth"), Path("DAPE.pth")
QKV = "visual_encoder.layers.0.blocks.0.attn.qkv"
HEAD = "tagging_head.encoder.layer.0."
TABLE = "visual_encoder.layers.0.blocks.0.attn.relative_position_bias_table"
Tensors = dict[str, torch.Tensor]
Spoil = Callable[[Tensors], Tensors]


def test_updates_of_query_and_value_alone() -> None:
    base, update = weights("ram_base"), weights("dape")
    _, merged = ram.combine(base, update, RAM, DAPE)
    difference = merged["swin.layers.0.blocks.0.attn.qkv.weight"] - base[f"{QKV}.weight"].float()
    query, key, value = difference.chunk(3)
    assert query.abs().max() > 0
    assert key.abs().max() == 0
    assert value.abs().max() > 0
    for part, changes in (("query", True), ("key", True), ("value", False)):
        official = base[f"{HEAD}crossattention.self.{part}.weight"].float()
        assert torch.equal(merged[f"layers.0.{part}.weight"], official) != changes


def _without(prefix: str) -> Spoil:
    return lambda tensors: {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}


def _set(name: str, *shape: int) -> Spoil:
    return lambda tensors: tensors | {name: torch.ones(shape)}


@pytest.mark.parametrize(
    ("spoil", "finding"),
    [
        (_without("visual_encoder"), f"no tensor '{QKV}.lora_A', expected of shape 16×12"),
        (
            _without("visual_encoder.layers.1.blocks.0"),
            "no tensor 'visual_encoder.layers.1.blocks.0.attn.qkv",
        ),
        (_without(f"{QKV}.lora_B"), f"no tensor '{QKV}.lora_B', expected of shape 24×8"),
        (_set(f"{QKV}.lora_A", 8, 12), f"tensor '{QKV}.lora_A' has shape 8×12, expected 16×12"),
        (_set(f"{QKV}.lora_B", 24, 4), f"tensor '{QKV}.lora_B' has shape 24×4, expected 24×8"),
        (_set(f"{HEAD}crossattention.self.value.lora_A", 8, 512), "unexpected tensor 'tagging_head"),
        (_set("fc.bias", 1), "unexpected tensor 'fc.bias' of shape 1, expected none"),
        (_set("tag_encoder.encoder.layer.0.attention.self.key.lora_B", 32, 8), "'tag_encoder.* is not zero"),
    ],
)
def test_another_file_than_dape_is_refused(spoil: Spoil, finding: str) -> None:
    with pytest.raises(BadInput, match=rf"^DAPE\.pth: {finding}") as error:
        ram.combine(weights("ram_base"), spoil(weights("dape")), RAM, DAPE)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("spoil", "finding"),
    [
        (_without("tagging_head"), "no tensor 'tagging_head"),
        (_without(f"{QKV}.weight"), f"no tensor '{QKV}.weight', expected of shape 36×12"),
        (_without(TABLE), f"no tensor '{TABLE}'"),
        (_set(TABLE, 5), "tensors of other shapes"),
        (_set("label_embed"), "tensors of other shapes"),
        (_set(f"{HEAD}intermediate.dense.weight", 5), "tensors of other shapes"),
        (lambda tensors: weights("dape"), "no tensor"),
    ],
)
def test_another_file_than_ram_is_refused(spoil: Spoil, finding: str) -> None:
    with pytest.raises(BadInput, match=rf"^ram_swin_large_14m\.pth: {finding}") as error:
        ram.combine(spoil(weights("ram_base")), weights("dape"), RAM, DAPE)
    assert "\n" not in str(error.value)
