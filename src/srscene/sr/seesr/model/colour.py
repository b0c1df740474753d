"""Gives a restored picture the colours of its low-resolution source.

All functions take and return pictures (N, 3, H, W) fp32, 0..1; `fix` returns uint8. Source:
utils/wavelet_color_fix.py of github.com/cswry/SeeSR.
"""

import torch
import torch.nn.functional as F

from srscene.sr.seesr.options import ColourFix


def fix(pictures: torch.Tensor, source: torch.Tensor, how: ColourFix) -> torch.Tensor:
    """Return `pictures` (N, 3, H, W) uint8 with the colours of `source` (same shape), uint8.

    The official code truncates x·255 here, where it rounds everywhere else.
    """
    if how == "none":
        return pictures
    method = adain if how == "adain" else wavelet
    fixed = method(pictures.float().div(255), source.float().div(255))
    return fixed.clamp(0, 1).mul(255).to(torch.uint8)


def adain(pictures: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """Give each channel the mean and standard deviation that it has in `source`."""
    mean, std = _mean_std(pictures)
    source_mean, source_std = _mean_std(source)
    return (pictures - mean) / std * source_std + source_mean


def _mean_std(pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    flat = pictures.flatten(2)
    std = (flat.var(dim=2) + 1e-5).sqrt()
    return flat.mean(dim=2)[..., None, None], std[..., None, None]


def wavelet(pictures: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """Keep the pictures' five finest levels of detail and take all that is coarser from `source`."""
    details, _ = _decompose(pictures)
    _, coarse = _decompose(source)
    return details + coarse


def _decompose(pictures: torch.Tensor, levels: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    details = torch.zeros_like(pictures)
    for level in range(levels):
        coarse = _blur(pictures, 2**level)
        details += pictures - coarse
        pictures = coarse
    return details, pictures


def _blur(pictures: torch.Tensor, radius: int) -> torch.Tensor:
    row = pictures.new_tensor([1.0, 2.0, 1.0])
    kernel = (torch.outer(row, row) / 16).repeat(3, 1, 1, 1)
    padded = F.pad(pictures, (radius,) * 4, mode="replicate")
    return F.conv2d(padded, kernel, groups=3, dilation=radius)
