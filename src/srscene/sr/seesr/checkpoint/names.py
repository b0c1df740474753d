"""The official keys of the tensors of UNet, ControlNet, VAE and text encoder. RAM's are in `ram`."""

import re


def official_name(name: str) -> str:
    """Return the official key of a tensor of our UNet or ControlNet.

    `….attentions.1.text.norm.weight` is `….attentions.1.norm.weight` there, and
    `….attentions.1.image.norm.weight` is `….image_attentions.1.norm.weight`.
    """
    name = re.sub(r"\.attentions\.(\d+)\.image\.", r".image_attentions.\1.", name)
    return re.sub(r"\.attentions\.(\d+)\.text\.", r".attentions.\1.", name)


def text_encoder_name(name: str) -> str:
    """Return the official key of a tensor of our text encoder."""
    return f"text_model.{name}"


OLD_VAE_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def old_vae_name(name: str) -> str:
    """Return the key of a VAE's tensor in files written before diffusers renamed its attention (0.16)."""
    return re.sub(
        r"(mid_block\.attentions\.0)\.(to_q|to_k|to_v|to_out\.0)\.",
        lambda found: f"{found[1]}.{OLD_VAE_NAMES[found[2]]}.",
        name,
    )
