"""Cuts large latents into overlapping square tiles and blends what the UNet says about each.

Source: pipelines/pipeline_seesr.py of github.com/cswry/SeeSR.
"""

import math

import torch


class Tiling:
    """The tiles of latents of height×width cells: one that covers all if they have at most size² cells.

    boxes: a (rows, columns) slice per tile, column by column, so that the blend's sums round as officially;
    the last of each row and column is flush with the border. weight: (rows, columns) fp64 of each of several
    tiles, for the weighted mean where they overlap.
    """

    def __init__(self, height: int, width: int, size: int, overlap: int) -> None:
        self.height, self.width = height, width
        if height * width <= size * size:
            self.boxes = [(slice(0, height), slice(0, width))]
            return
        size = min(size, height, width)
        overlap = min(overlap, size // 2)  # of a long, narrow scene, whose tiles are smaller
        self.boxes = [
            (slice(top, top + size), slice(left, left + size))
            for left in _starts(width, size, overlap)
            for top in _starts(height, size, overlap)
        ]
        self.weight = _gaussian(size)

    def blend(self, parts: list[torch.Tensor]) -> torch.Tensor:
        """Return the weighted mean (N, C, height, width) of one part (N, C, rows, columns) per box."""
        if len(parts) == 1:
            return parts[0]
        weight = self.weight.to(parts[0].device)
        total = parts[0].new_zeros(*parts[0].shape[:2], self.height, self.width)
        weights = torch.zeros_like(total)
        for (rows, columns), part in zip(self.boxes, parts, strict=True):
            total[:, :, rows, columns] += part * weight
            weights[:, :, rows, columns] += weight
        return total / weights


def _starts(length: int, size: int, overlap: int) -> list[int]:
    regular = range(0, length - size, size - overlap)
    return [*regular, length - size]


def _gaussian(size: int) -> torch.Tensor:
    """A normal density of variance 0.01·size², across and down; officially half a cell too low."""
    cells = torch.arange(size, dtype=torch.float64)
    scale = 1 / math.sqrt(2 * math.pi * 0.01)
    across, down = (
        torch.exp(-((cells - middle) ** 2) / size**2 / 0.02) * scale for middle in ((size - 1) / 2, size / 2)
    )
    return torch.outer(down, across)
