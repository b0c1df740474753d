"""RAM ("recognize anything") with DAPE's low-rank update: reads a picture's tags and its image tokens.

Of the official model only the Swin backbone, the projection of its tokens and the tagging head take part in
super-resolution: 212 M of 469 M parameters. The backbone is timm's. Sources: ram/models/ram_lora.py,
bert.py and swin_transformer_lora.py of github.com/cswry/SeeSR.
"""

from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

import torch
import torch.nn.functional as F
from accelerate import init_empty_weights
from timm.models.swin_transformer import SwinTransformer
from torch import nn

from srscene.sr.seesr.model.attention import IMAGE_TOKEN_WIDTH

SIZE = 384  # pixels; with patches of 4 and windows of 12 the last stage is one window
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HEADS = 4  # of the tagging head's attention


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
    folder = files("srscene.sr.seesr.model") / "data"
    tags = (folder / "ram_tag_list.txt").read_text(encoding="utf-8").splitlines()
    thresholds = (folder / "ram_tag_list_threshold.txt").read_text().split()
    return Vocabulary(tags, [float(threshold) for threshold in thresholds])


class Geometry(NamedTuple):
    """Sizes of a tagger; the official checkpoint has no config file, so `ram` reads them off its shapes."""

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
        self.image_proj = nn.Linear(self.swin.num_features, IMAGE_TOKEN_WIDTH)
        self.label_embed = nn.Parameter(torch.empty(geometry.tags, IMAGE_TOKEN_WIDTH))
        self.wordvec_proj = nn.Linear(IMAGE_TOKEN_WIDTH, geometry.head_width)
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
        self.key = nn.Linear(IMAGE_TOKEN_WIDTH, width)
        self.value = nn.Linear(IMAGE_TOKEN_WIDTH, width)
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
