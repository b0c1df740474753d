"""Turns a folder in the official layout into models/upscaler/, and refuses files that are not SeeSR's.

The result holds `weights.safetensors` (the tensors of the five networks, prefixed `unet.`, `controlnet.`,
`vae.`, `text_encoder.`, `tagger.`, in the number format of the official files, RAM in fp32), `configs.json`
(their settings, the scheduler's, and whether they are turbo's) and `tokenizer/`.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn
from transformers import CLIPTokenizer

from srscene.core.tables import write_json
from srscene.runtime.console import BadInput, brief
from srscene.sr.common import checkpoints
from srscene.sr.seesr.checkpoint import names, ram, sources
from srscene.sr.seesr.model import networks, tagger
from srscene.sr.seesr.model.loading import Shapes, Tensors, match, shapes
from srscene.sr.seesr.model.models import CONFIGS, TOKENIZER


def convert(folder: Path, turbo: bool, out: Path) -> int:
    """Write `out` from a folder in the official layout; return the number of parameters.

    Tensors are memory-mapped: this takes little memory beside RAM's. Raises BadInput, naming file, tensor and
    shapes, where a file does not fit its network.
    """
    base = folder / sources.base(turbo)
    configs: dict[str, Any] = {
        "unet": _config(folder / sources.UNET, "UNet2DConditionModel"),
        "controlnet": _config(folder / sources.CONTROLNET, "ControlNetModel"),
        "vae": read_json(base / "vae" / sources.CONFIG),
        "text_encoder": read_json(base / "text_encoder" / sources.CONFIG),
        "scheduler": _scheduler(base / sources.SCHEDULER),
        "turbo": turbo,
    }
    tensors = {
        "unet": _unet(folder, base if turbo else None, configs["unet"]),
        "controlnet": _controlnet(folder, configs["controlnet"]),
        "vae": _vae(base / "vae", configs["vae"]),
        "text_encoder": _text_encoder(base / "text_encoder", configs["text_encoder"]),
    }
    configs["tagger"], tensors["tagger"] = _tagger(folder)
    named = {f"{name}.{key}": tensor for name, part in tensors.items() for key, tensor in part.items()}
    out.mkdir(parents=True, exist_ok=True)
    _copy_tokenizer(base / "tokenizer", out / TOKENIZER)
    save_file({key: tensor.contiguous() for key, tensor in named.items()}, checkpoints.weights_file(out))
    write_json(out / CONFIGS, configs)
    return sum(tensor.numel() for tensor in named.values())


def _unet(folder: Path, base: Path | None, config: networks.Config) -> Tensors:
    """Return SeeSR's UNet or, where `base` is given, that one's with SeeSR's image attentions."""
    file = folder / sources.UNET / sources.WEIGHTS
    expected = _shapes(networks.unet, config, file.with_name(sources.CONFIG))
    tensors = match(expected, checkpoints.read(file), file, names.official_name)
    if base:
        file = base / "unet" / sources.WEIGHTS
        stock = {name: shape for name, shape in expected.items() if ".image." not in name}
        tensors |= match(stock, checkpoints.read(file), file, names.official_name)
    return tensors


def _controlnet(folder: Path, config: networks.Config) -> Tensors:
    file = folder / sources.CONTROLNET / sources.WEIGHTS
    expected = _shapes(networks.controlnet, config, file.with_name(sources.CONFIG))
    return match(expected, checkpoints.read(file), file, names.official_name)


def _vae(folder: Path, config: networks.Config) -> Tensors:
    file = folder / sources.WEIGHTS
    expected = _shapes(networks.vae, config, folder / sources.CONFIG)
    tensors = checkpoints.read(file)
    old = any(".proj_attn." in name for name in tensors)
    return match(expected, tensors, file, names.old_vae_name if old else str)


def _text_encoder(folder: Path, config: networks.Config) -> Tensors:
    file = folder / sources.TEXT_WEIGHTS
    return match(
        _shapes(networks.text_encoder, config, folder / sources.CONFIG),
        checkpoints.read(file),
        file,
        names.text_encoder_name,
        unused=lambda name: name.endswith("position_ids"),
    )


def _tagger(folder: Path) -> tuple[dict[str, Any], Tensors]:
    file, dape = folder / sources.RAM, folder / sources.DAPE
    geometry, tensors = ram.combine(checkpoints.read(file), checkpoints.read(dape), file, dape)
    expected = len(tagger.official_vocabulary().tags)
    if geometry.tags != expected:
        raise BadInput(
            f"{file}: tensor 'label_embed' has {geometry.tags} tags, expected {expected}: is it RAM's?"
        )
    return geometry._asdict(), tensors


def _config(folder: Path, network: str) -> networks.Config:
    file = folder / sources.CONFIG
    config = read_json(file)
    found = config.get("_class_name"), config.get(networks.FLAG)
    if found != (network, True):
        expected = f"{network} with {networks.FLAG}: true"
        raise BadInput(
            f"{file}: found {found[0]} with {networks.FLAG}: {found[1]}, expected SeeSR's {expected}"
        )
    return config


def _scheduler(file: Path) -> dict[str, Any]:
    config = read_json(file)
    if (found := config.get("prediction_type", "epsilon")) != "epsilon":  # 2-base's file does not say
        raise BadInput(
            f"{file}: prediction_type is {found}, expected epsilon: SeeSR's UNet predicts the noise"
        )
    return config


def _shapes(build: Callable[[networks.Config], nn.Module], config: networks.Config, file: Path) -> Shapes:
    """Return what the network of this config wants; raises BadInput where none can be built."""
    try:
        return shapes(build(config))
    except Exception as error:  # whatever diffusers and transformers raise on what they can't use
        raise BadInput(
            f"{file}: no network can be built from it ({brief(error)}); download it again"
        ) from None


def _copy_tokenizer(source: Path, out: Path) -> None:
    out.mkdir(exist_ok=True)
    for name in sources.TOKENIZER:
        shutil.copyfile(source / name, out / name)
    try:
        CLIPTokenizer.from_pretrained(out)
    except Exception as error:  # of json, tokenizers or transformers
        raise BadInput(
            f"{source}: no tokenizer can be made from it ({brief(error)}); download it again"
        ) from None


def read_json(file: Path, advice: str = "download it again") -> dict[str, Any]:
    """Return the JSON object that a file holds; raises BadInput where there is none."""
    try:
        content = json.loads(file.read_text())
    except (ValueError, OSError) as error:
        raise BadInput(f"{file}: no JSON ({brief(error)}); {advice}") from None
    if not isinstance(content, dict):
        raise BadInput(f"{file}: found {type(content).__name__}, expected a JSON object; {advice}")
    return content
