"""RAM's checkpoint and DAPE's, which updates it: the tagger's tensors out of both.

Source: ram/models/ram_lora.py and swin_transformer_lora.py of github.com/cswry/SeeSR.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import torch

from srscene.runtime.console import BadInput
from srscene.sr.seesr.model import tagger
from srscene.sr.seesr.model.loading import Shapes, Tensors, match, shapes

RANK = 8  # of DAPE's updates
LORA_SCALE = 1 / RANK  # alpha is 1


def combine(ram: Tensors, dape: Tensors, ram_file: Path, dape_file: Path) -> tuple[tagger.Geometry, Tensors]:
    """Return a tagger's sizes and its tensors: RAM's, with DAPE's low-rank updates added, in fp32.

    Raises BadInput, naming file, tensor and both shapes, where one of the two is not what it should be.
    """
    ram = _with_current_names(ram)
    geometry = read_geometry(ram, ram_file)
    tensors = match(shapes(tagger.build(geometry)), ram, ram_file, official_name, unused)
    _refuse_shared_update(dape, dape_file)
    pairs = match(_update_shapes(tensors), dape, dape_file, unused=unused)
    merged = {name: tensor.float() for name, tensor in tensors.items()}
    for name in filter(UPDATED.fullmatch, tensors):
        module = official_name(name).removesuffix(".weight")
        update = _product(pairs[f"{module}.lora_A"].float(), pairs[f"{module}.lora_B"].float(), _fused(name))
        merged[name] = merged[name] + LORA_SCALE * update
    return geometry, merged


def read_geometry(tensors: Mapping[str, torch.Tensor], file: Path) -> tagger.Geometry:
    """Return the sizes of the network in an official RAM checkpoint; raises BadInput if it is none."""
    try:
        table = r"visual_encoder\.layers\.(\d+)\.blocks\.\d+\.attn\.relative_position_bias_table"
        heads = [(int(m[1]), tensors[m[0]].shape[1]) for m in map(re.compile(table).fullmatch, tensors) if m]
        stages = sorted(dict(heads))
        layers = {name.split(".")[3] for name in tensors if name.startswith("tagging_head.encoder.layer.")}
        head_hidden, head_width = tensors["tagging_head.encoder.layer.0.intermediate.dense.weight"].shape
        return tagger.Geometry(
            swin_width=tensors["visual_encoder.patch_embed.proj.weight"].shape[0],
            swin_depths=tuple(sum(stage == other for other, _ in heads) for stage in stages),
            swin_heads=tuple(dict(heads)[stage] for stage in stages),
            tags=len(tensors["label_embed"]),
            head_width=head_width,
            head_hidden=head_hidden,
            head_layers=len(layers),
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        found = f"no tensor {error}" if isinstance(error, KeyError) else f"tensors of other shapes ({error})"
        raise BadInput(f"{file}: {found}, expected RAM's weights (ram_swin_large_14m.pth)") from None


MODULES = ("visual_encoder.", "image_proj.", "label_embed", "wordvec_proj.", "tagging_head.", "fc.")
HEAD_NAMES = {
    "query": "crossattention.self.query",
    "key": "crossattention.self.key",
    "value": "crossattention.self.value",
    "attended": "crossattention.output.dense",
    "attended_norm": "crossattention.output.LayerNorm",
    "widen": "intermediate.dense",
    "narrow": "output.dense",
    "norm": "output.LayerNorm",
}


def official_name(name: str) -> str:
    """Return the key of a tagger's tensor in an official RAM checkpoint."""
    if layer := re.fullmatch(r"layers\.(\d+)\.(\w+)\.(\w+)", name):
        return f"tagging_head.encoder.layer.{layer[1]}.{HEAD_NAMES[layer[2]]}.{layer[3]}"
    if merge := re.fullmatch(
        r"swin\.layers\.(\d+)\.downsample\.(.+)", name
    ):  # timm: before a stage, RAM: after
        return f"visual_encoder.layers.{int(merge[1]) - 1}.downsample.{merge[2]}"
    return re.sub(r"^swin\.", "visual_encoder.", name)


def unused(name: str) -> bool:
    """Tell whether super-resolution has no use for this tensor of a RAM checkpoint.

    That is all outside the modules above (`tag_encoder`, `text_decoder`), and what Swin computes itself.
    """
    return not name.startswith(MODULES) or name.endswith(("relative_position_index", "attn_mask"))


def _with_current_names(ram: Tensors) -> Tensors:
    """Rename RAM's tensors as the official loader does: the tagging head was once called `vision_multi`."""
    return {name.replace("vision_multi", "tagging_head"): tensor for name, tensor in ram.items()}


UPDATED = re.compile(r"swin\..*\.attn\.qkv\.weight|layers\.\d+\.(query|key)\.weight")
"""The weights that DAPE updates, in our names: in Swin's fused query, key and value all but the key."""


def _fused(name: str) -> bool:
    return name.endswith(".qkv.weight")


def _update_shapes(tensors: Tensors) -> Shapes:
    """Return what DAPE.pth holds for a tagger of these tensors, in the official names."""
    expected = {}
    for name in filter(UPDATED.fullmatch, tensors):
        rows, columns = tensors[name].shape
        module = official_name(name).removesuffix(".weight")
        expected[f"{module}.lora_A"] = torch.Size((2 * RANK if _fused(name) else RANK, columns))
        expected[f"{module}.lora_B"] = torch.Size((rows // 3 * 2 if _fused(name) else rows, RANK))
    return expected


def _product(a: torch.Tensor, b: torch.Tensor, fused: bool) -> torch.Tensor:
    if not fused:
        return b @ a
    (query_a, value_a), (query_b, value_b) = a.chunk(2), b.chunk(2)
    query = query_b @ query_a
    return torch.cat([query, torch.zeros_like(query), value_b @ value_a])


def _refuse_shared_update(dape: Tensors, file: Path) -> None:
    """Refuse a trained `tag_encoder`; in the published file its lora_B are zero.

    Its first layers share their weights with the tagging head, so that the official code would add their
    updates there too.
    """
    for name, tensor in dape.items():
        if name.startswith("tag_encoder.") and name.endswith("lora_B") and bool(tensor.any()):
            raise BadInput(f"{file}: {name!r} is not zero, expected an untrained tag_encoder as in DAPE.pth")
