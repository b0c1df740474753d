"""HAT's two attention blocks, restructured for speed: the same numbers up to rounding.

- Scores are never stored whole: `scaled_dot_product_attention` instead of softmax(q·k + bias)·v.
- The relative position bias is gathered once, not in every block at every forward. OCAB's index is negative
  in places and its authors' weights rely on Python's wrap-around, which gathering keeps.
- The shift mask is never built for the whole image: only the last row and column of windows need one, so
  four sums of bias and mask serve every image size.
- Heads are zero-padded to a multiple of 8 channels (30 -> 32), which fast kernels require.
- Features stay channels-last between convolutions and attention.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

MASKED = -100.0
"""What HAT adds to the score of two pixels that are not neighbours in the image, before the softmax."""


def restructure(network: Any) -> nn.Module:
    """Replace the attention blocks of spandrel's HAT in place, for inference; return it."""
    sa, oca = network.relative_position_index_SA, network.relative_position_index_OCA
    for layer in network.layers:
        group = layer.residual_group
        group.blocks = nn.ModuleList(HybridAttentionBlock(block, sa) for block in group.blocks)
        group.overlap_attn = OverlappingCrossAttentionBlock(group.overlap_attn, oca)
        layer.patch_unembed = TokensToImage()
    network.patch_unembed = TokensToImage()
    network.calculate_mask = lambda size, dtype: torch.empty(0)  # the blocks have their own
    restructured: nn.Module = network
    return restructured


class TokensToImage(nn.Module):
    """(B, H·W, C) -> (B, C, H, W) as a channels-last view, without a copy."""

    def forward(self, x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        return x.unflatten(1, size).permute(0, 3, 1, 2)


class HybridAttentionBlock(nn.Module):
    """spandrel's HAB: window attention beside channel attention, then an MLP."""

    bias: torch.Tensor
    """(1 or, where the block shifts, 4; heads; n; n)"""

    def __init__(self, block: Any, index: torch.Tensor) -> None:
        super().__init__()
        self.norm1, self.norm2, self.mlp = block.norm1, block.norm2, block.mlp
        self.conv_block, self.conv_scale = block.conv_block, block.conv_scale
        self.window, self.shift = block.window_size, block.shift_size
        self.heads, self.scale = block.attn.num_heads, block.attn.scale
        self.qkv = pad_heads_out(block.attn.qkv, 3 * self.heads)
        self.proj = pad_heads_in(block.attn.proj, self.heads)
        bias = gather(block.attn.relative_position_bias_table, index)
        self.register_buffer("bias", bias + shift_masks(self.window, self.shift) if self.shift else bias)

    def forward(
        self, x: torch.Tensor, size: tuple[int, int], index: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        image = self.norm1(x).unflatten(1, size)
        conv: torch.Tensor = self.conv_block(image.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        x = x + self.attend(image).flatten(1, 2) + conv.flatten(1, 2) * self.conv_scale
        x += self.mlp(self.norm2(x))
        return x

    def attend(self, image: torch.Tensor) -> torch.Tensor:
        """(B, H, W, C) -> (B, H, W, C): attention within windows, shifted where the block shifts."""
        if self.shift:
            image = image.roll((-self.shift, -self.shift), (1, 2))
        qkv = split_windows(self.qkv(image), self.window)
        attended = self.by_region(qkv) if self.shift else self.attention(qkv, self.bias)
        image = self.proj(join_windows(attended, self.window))
        return image.roll((self.shift, self.shift), (1, 2)) if self.shift else image

    def by_region(self, qkv: torch.Tensor) -> torch.Tensor:
        """Attend with the mask of each region: inner windows, last column, last row, last corner."""
        inner, last = slice(None, -1), slice(-1, None)
        rows = []
        for number, row in enumerate((inner, last)):
            left = self.attention(qkv[:, row, inner], self.bias[2 * number : 2 * number + 1])
            right = self.attention(qkv[:, row, last], self.bias[2 * number + 1 : 2 * number + 2])
            rows.append(torch.cat([left, right], 2))
        return torch.cat(rows, 1)

    def attention(self, qkv: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """(B, rows, columns, n, 3·heads·d) -> (B, rows, columns, n, heads·d)."""
        q, k, v = qkv.flatten(0, 2).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return attend(q, k, v, bias, self.scale).unflatten(0, qkv.shape[:3])


class OverlappingCrossAttentionBlock(nn.Module):
    """spandrel's OCAB: each window looks at a window 1.5 times as wide around it, then an MLP.

    Beyond the image's edge, keys and values are zero, and such keys keep their share of the softmax.
    """

    bias: torch.Tensor

    def __init__(self, block: Any, index: torch.Tensor) -> None:
        super().__init__()
        self.norm1, self.norm2, self.mlp = block.norm1, block.norm2, block.mlp
        self.window, self.wide = block.window_size, block.overlap_win_size
        self.heads, self.scale = block.num_heads, block.scale
        self.qkv = pad_heads_out(block.qkv, 3 * self.heads)
        self.proj = pad_heads_in(block.proj, self.heads)
        self.register_buffer("bias", gather(block.relative_position_bias_table, index))

    def forward(self, x: torch.Tensor, size: tuple[int, int], index: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(self.norm1(x).unflatten(1, size)).chunk(3, -1)
        windows = split_windows(q, self.window)
        q = windows.flatten(0, 2).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        attended = attend(q, self.around(k), self.around(v), self.bias, self.scale)
        image = join_windows(attended.unflatten(0, windows.shape[:3]), self.window)
        x = self.proj(image).flatten(1, 2) + x
        x += self.mlp(self.norm2(x))
        return x

    def around(self, image: torch.Tensor) -> torch.Tensor:
        """(B, H, W, heads·d) -> (windows, heads, wide², d), the surroundings of each window."""
        margin = (self.wide - self.window) // 2
        padded = F.pad(image, (0, 0, margin, margin, margin, margin))
        views = padded.unfold(1, self.wide, self.window).unfold(2, self.wide, self.window)
        views = views.unflatten(3, (self.heads, -1))  # B, rows, columns, heads, d, wide, wide
        return views.permute(0, 1, 2, 3, 5, 6, 4).flatten(4, 5).flatten(0, 2)


def attend(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bias: torch.Tensor, scale: float
) -> torch.Tensor:
    """q (B, heads, n, d), k and v (B, heads, m, d), bias (1, heads, n, m) -> (B, n, heads·d); B windows."""
    return F.scaled_dot_product_attention(q, k, v, bias, scale=scale).transpose(1, 2).flatten(2)


def split_windows(image: torch.Tensor, side: int) -> torch.Tensor:
    """(B, H, W, C) -> (B, H/side, W/side, side², C)."""
    return image.unflatten(2, (-1, side)).unflatten(1, (-1, side)).transpose(2, 3).flatten(3, 4)


def join_windows(windows: torch.Tensor, side: int) -> torch.Tensor:
    """(B, rows, columns, side², C) -> (B, rows·side, columns·side, C)."""
    return windows.unflatten(3, (side, side)).transpose(2, 3).flatten(3, 4).flatten(1, 2)


def gather(table: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Bias table (positions, heads) and index (n, m) -> (1, heads, n, m)."""
    return table.detach()[index].permute(2, 0, 1)[None].contiguous()


def shift_masks(window: int, shift: int) -> torch.Tensor:
    """Return (4, 1, n, n) of 0 and MASKED: for inner windows, the last column's, the last row's, the corner.

    In a last window, shifting has put pixels from the image's two ends side by side.
    """
    wrapped = (torch.arange(window) >= window - shift).long()
    masks = []
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        side = (2 * row * wrapped[:, None] + column * wrapped[None, :]).flatten()
        masks.append(torch.where(side[:, None] == side[None, :], 0.0, MASKED))
    return torch.stack(masks)[:, None]


def pad_heads_out(linear: nn.Linear, heads: int) -> nn.Linear:
    """Return `linear` with each head's output channels filled up with zeros to a multiple of 8."""
    width = linear.out_features // heads
    extra = -width % 8
    padded = nn.Linear(linear.in_features, heads * (width + extra), linear.bias is not None)
    padded.weight = _frozen(F.pad(linear.weight.unflatten(0, (heads, width)), (0, 0, 0, extra)).flatten(0, 1))
    if linear.bias is not None:
        padded.bias = _frozen(F.pad(linear.bias.unflatten(0, (heads, width)), (0, extra)).flatten())
    return padded


def pad_heads_in(linear: nn.Linear, heads: int) -> nn.Linear:
    """Return `linear` with zero columns for the channels that `pad_heads_out` added to its input."""
    width = linear.in_features // heads
    extra = -width % 8
    padded = nn.Linear(heads * (width + extra), linear.out_features, linear.bias is not None)
    padded.weight = _frozen(F.pad(linear.weight.unflatten(1, (heads, width)), (0, extra)).flatten(1))
    padded.bias = linear.bias
    return padded


def _frozen(values: torch.Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach(), requires_grad=False)
