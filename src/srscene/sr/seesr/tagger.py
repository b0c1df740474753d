"""RAM ("recognize anything") with DAPE's low-rank update: reads a picture's tags and its image tokens.

Of the official model only the Swin backbone, the projection of its tokens and the tagging head take part in
super-resolution: 212 M of 469 M parameters. The backbone is timm's. Sources: ram/models/ram_lora.py,
bert.py and swin_transformer_lora.py of github.com/cswry/SeeSR.
"""

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from accelerate import init_empty_weights
from timm.models.swin_transformer import SwinTransformer
from torch import nn

from srscene.console import BadInput
from srscene.sr.seesr.loading import Tensors

SIZE = 384  # pixels; with patches of 4 and windows of 12 the last stage is one window
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TOKEN_WIDTH = 512
HEADS = 4  # of the tagging head's attention
LORA_SCALE = 1 / 8  # alpha 1, rank 8


class Tagged(NamedTuple):
    """Image tokens (N, 145, 512): their mean, then one per cell of 12×12. Logits (N, tags)."""

    tokens: torch.Tensor
    logits: torch.Tensor


class Vocabulary(NamedTuple):
    """The names of the tags and, for each, the probability above which it counts."""

    tags: Sequence[str]
    thresholds: Sequence[float]

    def names(self, logits: torch.Tensor) -> list[str]:
        """Return the tags of each row of logits (N, tags), joined by ", " in the list's order."""
        present = logits.float().sigmoid() > torch.tensor(self.thresholds, device=logits.device)
        return [
            ", ".join(self.tags[index] for index in row.nonzero().flatten().tolist()) for row in present.cpu()
        ]


def official_vocabulary() -> Vocabulary:
    """Return RAM's 4585 tags and thresholds (ram/data/ of the official code)."""
    folder = files("srscene.sr.seesr") / "data"
    tags = (folder / "ram_tag_list.txt").read_text(encoding="utf-8").splitlines()
    thresholds = (folder / "ram_tag_list_threshold.txt").read_text().split()
    return Vocabulary(tags, [float(threshold) for threshold in thresholds])


class Geometry(NamedTuple):
    """Sizes of a tagger; the official checkpoint has no config file, so they are read off its shapes."""

    swin_width: int
    swin_depths: tuple[int, ...]
    swin_heads: tuple[int, ...]
    tags: int
    head_width: int
    head_hidden: int
    head_layers: int


class Tagger(nn.Module):
    """Pictures (N, 3, H, W) of any size, 0..1 RGB -> `Tagged`."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.swin = SwinTransformer(
            img_size=SIZE,
            window_size=12,
            embed_dim=geometry.swin_width,
            depths=geometry.swin_depths,
            num_heads=geometry.swin_heads,
            num_classes=0,
        )
        self.image_proj = nn.Linear(self.swin.num_features, TOKEN_WIDTH)
        self.label_embed = nn.Parameter(torch.empty(geometry.tags, TOKEN_WIDTH))
        self.wordvec_proj = nn.Linear(TOKEN_WIDTH, geometry.head_width)
        self.layers = nn.ModuleList(
            TaggingLayer(geometry.head_width, geometry.head_hidden) for _ in range(geometry.head_layers)
        )
        self.fc = nn.Linear(geometry.head_width, 1)

    def forward(self, pictures: torch.Tensor) -> Tagged:
        tokens = self.image_proj(self.swin_tokens(prepare(pictures)))
        queries = F.relu(self.wordvec_proj(self.label_embed)).expand(len(tokens), -1, -1)
        for layer in self.layers:
            queries = layer(queries, tokens)
        return Tagged(tokens, self.fc(queries).squeeze(-1))

    def swin_tokens(self, prepared: torch.Tensor) -> torch.Tensor:
        """Return the normed tokens (N, 145, width) of `prepare`d pictures, their mean first."""
        cells = self.swin.forward_features(prepared).flatten(1, 2)
        return torch.cat([cells.mean(1, keepdim=True), cells], dim=1)


class TaggingLayer(nn.Module):
    """A BERT layer without self-attention: each tag's query looks at the image tokens."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(TOKEN_WIDTH, width)
        self.value = nn.Linear(TOKEN_WIDTH, width)
        self.attended = nn.Linear(width, width)
        self.attended_norm = nn.LayerNorm(width, eps=1e-12)
        self.widen = nn.Linear(width, hidden)
        self.narrow = nn.Linear(hidden, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)

    def forward(self, queries: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        q, k, v = (
            projected.unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for projected in (self.query(queries), self.key(tokens), self.value(tokens))
        )
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        queries = self.attended_norm(self.attended(attended) + queries)
        return self.norm(self.narrow(F.gelu(self.widen(queries))) + queries)


def prepare(pictures: torch.Tensor) -> torch.Tensor:
    """Bring pictures (N, 3, H, W), 0..1, to 384×384 whatever their aspect ratio, and normalise them.

    Without antialiasing, as in the torchvision of the official environment; the same where H, W <= 384.
    """
    resized = F.interpolate(pictures, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    mean, std = (torch.tensor(values, device=pictures.device).view(3, 1, 1) for values in (MEAN, STD))
    return (resized - mean) / std


def build(geometry: Geometry) -> Tagger:
    """Return a tagger without memory for its weights."""
    with init_empty_weights(include_buffers=False):
        return Tagger(geometry)


def read_geometry(tensors: Mapping[str, torch.Tensor], file: Path) -> Geometry:
    """Return the sizes of the network in an official RAM checkpoint; raises BadInput if it is none."""
    blocks = r"visual_encoder\.layers\.(\d+)\.blocks\.(\d+)\.attn\.relative_position_bias_table"
    found = [(int(m[1]), tensors[name].shape[1]) for name in tensors if (m := re.fullmatch(blocks, name))]
    stages = sorted({stage for stage, _ in found})
    layers = {name.split(".")[3] for name in tensors if name.startswith("tagging_head.encoder.layer.")}
    try:
        head_hidden, head_width = tensors["tagging_head.encoder.layer.0.intermediate.dense.weight"].shape
        return Geometry(
            swin_width=tensors["visual_encoder.patch_embed.proj.weight"].shape[0],
            swin_depths=tuple(sum(stage == other for other, _ in found) for stage in stages),
            swin_heads=tuple(dict(found)[stage] for stage in stages),
            tags=len(tensors["label_embed"]),
            head_width=head_width,
            head_hidden=head_hidden,
            head_layers=len(layers),
        )
    except KeyError as error:
        raise BadInput(
            f"{file}: no tensor {error}, expected RAM's weights (ram_swin_large_14m.pth)"
        ) from None


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


def with_current_names(ram: Tensors) -> Tensors:
    """Rename RAM's tensors as the official loader does: the tagging head was once called `vision_multi`."""
    return {name.replace("vision_multi", "tagging_head"): tensor for name, tensor in ram.items()}


def merge_dape(ram: Tensors, dape: Tensors, file: Path) -> Tensors:
    """Return RAM's tensors with DAPE's low-rank updates added, in fp32. `file` is DAPE's, for messages.

    Swin's fused qkv gets updates of query and value, the tagging head those of query and key.
    """
    _refuse_shared_update(dape, file)
    merged = {name: tensor for name, tensor in ram.items() if not unused(name)}
    for name in sorted(dape):
        module, _, part = name.rpartition(".")
        if (
            part not in ("lora_A", "lora_B")
            or f"{module}.lora_A" not in dape
            or f"{module}.lora_B" not in dape
        ):
            raise BadInput(
                f"{file}: unexpected tensor {name!r}; expected pairs of lora_A and lora_B: is it DAPE.pth?"
            )
        if part == "lora_A" and not unused(name):
            merged[f"{module}.weight"] = _updated(merged, dape, module, file)
    return merged


def _updated(ram: Tensors, dape: Tensors, module: str, file: Path) -> torch.Tensor:
    weight = ram.get(f"{module}.weight")
    a, b = dape[f"{module}.lora_A"].float(), dape[f"{module}.lora_B"].float()
    if module.endswith(".attn.qkv"):
        (query_a, value_a), (query_b, value_b) = a.chunk(2), b.chunk(2)
        query = query_b @ query_a
        update = torch.cat([query, torch.zeros_like(query), value_b @ value_a])
    else:
        update = b @ a
    if weight is None or weight.shape != update.shape:
        expected = "no such weight in RAM" if weight is None else f"RAM's is {tuple(weight.shape)}"
        raise BadInput(f"{file}: update of {module!r} has shape {tuple(update.shape)}, {expected}; {_PAIR}")
    return weight.float() + update * LORA_SCALE


_PAIR = "expected DAPE.pth for ram_swin_large_14m.pth"


def _refuse_shared_update(dape: Tensors, file: Path) -> None:
    """Refuse a trained `tag_encoder`; in the published file its lora_B are zero.

    Its first layers share their weights with the tagging head, so that the official code would add their
    updates there too.
    """
    for name, tensor in dape.items():
        if name.startswith("tag_encoder.") and name.endswith("lora_B") and bool(tensor.any()):
            raise BadInput(f"{file}: {name!r} is not zero, expected an untrained tag_encoder as in DAPE.pth")
