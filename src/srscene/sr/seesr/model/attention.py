"""SeeSR's one change to Stable Diffusion's blocks: an image transformer after each text transformer."""

from typing import Any

import torch
from diffusers import Transformer2DModel
from torch import nn

IMAGE_TOKEN_WIDTH = 512
"""Width of RAM's image tokens; fixed in the official models/unet_2d_blocks.py."""


class TextThenImage(nn.Module):
    """Stands where Stable Diffusion has a text transformer: that one, then its twin for image tokens.

    Called with `encoder_hidden_states=(text (N, 77, D), image (N, 145, 512))`; diffusers' blocks hand the
    pair on untouched, so that no block is forked and no state is kept between calls.
    """

    def __init__(self, text: Any) -> None:
        super().__init__()
        self.text = text
        settings = {key: value for key, value in text.config.items() if not key.startswith("_")}
        self.image: Any = Transformer2DModel(**settings | {"cross_attention_dim": IMAGE_TOKEN_WIDTH})

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: tuple[torch.Tensor, torch.Tensor],
        return_dict: bool = False,
        **ignored: Any,  # masks and LoRA scales of the blocks' general interface: None in SeeSR
    ) -> tuple[torch.Tensor]:
        for transformer, tokens in zip((self.text, self.image), encoder_hidden_states, strict=True):
            (hidden_states,) = transformer(hidden_states, encoder_hidden_states=tokens, return_dict=False)
        return (hidden_states,)
