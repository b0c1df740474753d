"""Makes models/upscaler/ from SeeSR's checkpoints.

The folder holds `weights.safetensors` (the tensors of the five networks, prefixed `unet.`, `controlnet.`,
`vae.`, `text_encoder.`, `tagger.`, in the number format of the official files, RAM in fp32), `configs.json`
and `tokenizer/`.
"""

import json
import os
import shutil
from hashlib import file_digest
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from srscene.console import BadInput, progress
from srscene.scratch import root
from srscene.sr import checkpoints
from srscene.sr.download import Remote, fetch
from srscene.sr.seesr import networks, sources, tagger
from srscene.sr.seesr.loading import Tensors, match
from srscene.sr.upscaler import Card

CONFIGS = "configs.json"
TOKENIZER = "tokenizer"
PINS = "sha256.json"
"""In checkpoints/seesr: the hashes, when first used, of the files whose hash nobody publishes."""


def prepare(weights: str, turbo: bool, out: Path) -> Card:
    """Fill `out` from the official files or from the folder that `weights` names; return the card.

    Raises BadInput when files are missing, damaged, changed since they were first used, or not SeeSR's.
    """
    remotes = sources.needed(turbo)
    if weights == "official":
        folder = root() / "checkpoints" / "seesr"
        _fetch(remotes, folder)
    else:
        folder = root() / weights
        _refuse_missing(remotes, folder)
    hashes = {path: _sha256(folder / path) for path in progress(sorted(remotes), "sha256", "file")}
    if weights == "official":
        pin(
            {path: hashes[path] for path, remote in remotes.items() if len(remote.sha256) < 64}, folder / PINS
        )
    parameters = convert(folder, turbo, out)
    return {
        "source": "official" if weights == "official" else "folder",
        "files": {
            path: {"sha256": hashes[path], "licence": remotes[path].licence} for path in sorted(remotes)
        },
        "licence": "; ".join(sorted({remote.licence for remote in remotes.values()})),
        "made": "tensors renamed, DAPE merged into RAM" + (", sd-turbo's UNet" if turbo else ""),
        "parameters": parameters,
    }


def _fetch(remotes: dict[str, Remote], folder: Path) -> None:
    for path, remote in remotes.items():
        try:
            fetch(remote._replace(file=Path(path).name), (folder / path).parent)
        except BadInput as error:
            missing = [other for other in remotes if other != path and not (folder / other).exists()]
            pages = ", ".join(sorted({remotes[other].page for other in missing}))
            also = f"; also missing in {folder}: {', '.join(missing)} (from {pages})" if missing else ""
            raise BadInput(f"{error}{also}") from None


def _refuse_missing(remotes: dict[str, Remote], folder: Path) -> None:
    missing = [path for path in remotes if not (folder / path).is_file()]
    if missing:
        raise BadInput(
            f"{folder}: {', '.join(missing)} not found; expected a folder laid out like preset/models of "
            f"{sources.SEESR_PAGE}, or weights: official"
        )


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def pin(hashes: dict[str, str], file: Path) -> None:
    """Note hashes in `file`; raises BadInput for one that was another when its file was first used."""
    pinned = json.loads(file.read_text()) if file.exists() else {}
    for path, found in hashes.items():
        if pinned.setdefault(path, found) != found:
            raise BadInput(
                f"{file.parent / path}: its sha256 is {found}, expected {pinned[path]} as first used; put "
                f"the old file back, or delete its entry in {file} if you trust the new one"
            )
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(pinned, indent=2, sort_keys=True) + "\n")
    os.replace(temporary, file)


def convert(folder: Path, turbo: bool, out: Path) -> int:
    """Write `out` from a folder in the official layout; return the number of parameters.

    Tensors are memory-mapped: this takes little memory beside RAM's. Raises BadInput, naming file, tensor and
    shapes, where a file does not fit its network.
    """
    base = folder / sources.base(turbo)
    configs: dict[str, Any] = {
        "unet": _config(folder / sources.UNET, "UNet2DConditionModel"),
        "controlnet": _config(folder / sources.CONTROLNET, "ControlNetModel"),
        "vae": _json(base / "vae" / sources.CONFIG),
        "text_encoder": _json(base / "text_encoder" / sources.CONFIG),
        "scheduler": _json(base / sources.SCHEDULER),
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
    save_file({key: tensor.contiguous() for key, tensor in named.items()}, checkpoints.weights_file(out))
    (out / CONFIGS).write_text(json.dumps(configs, indent=2, sort_keys=True) + "\n")
    (out / TOKENIZER).mkdir(exist_ok=True)
    for file in sources.TOKENIZER:
        shutil.copyfile(base / "tokenizer" / file, out / TOKENIZER / file)
    return sum(tensor.numel() for tensor in named.values())


def part(tensors: Tensors, network: str) -> Tensors:
    """Return the tensors of one network out of those of weights.safetensors."""
    prefix = f"{network}."
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _unet(folder: Path, turbo: Path | None, config: networks.Config) -> Tensors:
    file = folder / sources.UNET / sources.WEIGHTS
    tensors = checkpoints.read(file)
    if turbo:
        file = turbo / "unet" / sources.WEIGHTS
        image = {name: tensor for name, tensor in tensors.items() if ".image_attentions." in name}
        tensors = checkpoints.read(file) | image
    return match(networks.unet(config), tensors, file, networks.official_name)


def _controlnet(folder: Path, config: networks.Config) -> Tensors:
    file = folder / sources.CONTROLNET / sources.WEIGHTS
    return match(networks.controlnet(config), checkpoints.read(file), file, networks.official_name)


def _vae(folder: Path, config: networks.Config) -> Tensors:
    file = folder / sources.WEIGHTS
    tensors = checkpoints.read(file)
    old = any(".proj_attn." in name for name in tensors)
    return match(networks.vae(config), tensors, file, networks.old_vae_name if old else str)


def _text_encoder(folder: Path, config: networks.Config) -> Tensors:
    file = folder / sources.TEXT_WEIGHTS
    return match(
        networks.text_encoder(config),
        checkpoints.read(file),
        file,
        networks.official_text_name,
        unused=lambda name: name.endswith("position_ids"),
    )


def _tagger(folder: Path) -> tuple[dict[str, Any], Tensors]:
    file, dape = folder / sources.RAM, folder / sources.DAPE
    ram = tagger.with_current_names(checkpoints.read(file))
    tensors = tagger.merge_dape(ram, checkpoints.read(dape), dape)
    geometry = tagger.read_geometry(tensors, file)
    expected = len(tagger.official_vocabulary().tags)
    if geometry.tags != expected:
        raise BadInput(
            f"{file}: tensor 'label_embed' has {geometry.tags} tags, expected {expected}: is it RAM's?"
        )
    matched = match(tagger.build(geometry), tensors, file, tagger.official_name, tagger.unused)
    return geometry._asdict(), {name: tensor.float() for name, tensor in matched.items()}


def _config(folder: Path, network: str) -> networks.Config:
    file = folder / sources.CONFIG
    config = _json(file)
    found = config.get("_class_name"), config.get(networks.FLAG)
    if found != (network, True):
        expected = f"{network} with {networks.FLAG}: true"
        raise BadInput(
            f"{file}: found {found[0]} with {networks.FLAG}: {found[1]}, expected SeeSR's {expected}"
        )
    return config


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text())
    except (ValueError, OSError) as error:
        raise BadInput(f"{file}: no JSON ({error}); download it again") from None
    if not isinstance(content, dict):
        raise BadInput(f"{file}: expected a JSON object, found {type(content).__name__}")
    return content
