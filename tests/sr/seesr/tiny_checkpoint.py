"""python tests/sr/seesr/tiny_checkpoint.py FOLDER: tiny SeeSR checkpoints in the official layout.

UNet, ControlNet, VAE, RAM and DAPE are those of tests/data/seesr; the text encoder, its tokenizer and the
embeddings of RAM's 4585 tags are made here, from a fixed seed. Nothing is trained: pictures are noise with
the right colours.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

sys.path.insert(0, str(Path(__file__).parents[3]))  # where `tests` is, seen from another folder
from tests.sr.seesr.official import config, weights

SYMBOLS = [chr(code) for code in range(33, 127)]
VOCABULARY = [*SYMBOLS, *(f"{symbol}</w>" for symbol in SYMBOLS), "<|startoftext|>", "<|endoftext|>"]
TOKEN_IDS = {token: number for number, token in enumerate(VOCABULARY)}
TEXT = {
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 77,
    "vocab_size": len(VOCABULARY),
    "bos_token_id": TOKEN_IDS["<|startoftext|>"],
    "eos_token_id": TOKEN_IDS["<|endoftext|>"],
    "pad_token_id": TOKEN_IDS["!"],
    "hidden_act": "gelu",
}


def write(folder: Path) -> None:
    """Fill `folder` as preset/models of the official repository is filled, sd-turbo included."""
    torch.manual_seed(0)
    for name in ("unet", "controlnet"):
        _write_network(folder / "seesr" / name, name)
    scheduler = config("scheduler_config")
    _write_stable_diffusion(folder / "stable-diffusion-2-base", scheduler)
    _write_stable_diffusion(folder / "sd-turbo", scheduler | {"timestep_spacing": "trailing"})
    stock = {name: tensor for name, tensor in weights("unet").items() if ".image_attentions." not in name}
    (folder / "sd-turbo" / "unet").mkdir()
    save_file(stock, folder / "sd-turbo" / "unet" / "diffusion_pytorch_model.safetensors")
    ram = weights("ram_base")
    ram["label_embed"] = torch.randn(4585, 512).half()
    ram["fc.bias"] = ram["fc.bias"] - 1.6  # so that most pictures have few tags
    torch.save({"model": ram}, folder / "ram_swin_large_14m.pth")
    torch.save(weights("dape"), folder / "DAPE.pth")


def _write_stable_diffusion(folder: Path, scheduler: dict[str, object]) -> None:
    _write_network(folder / "vae", "vae")
    _write_json(folder / "scheduler" / "scheduler_config.json", scheduler)
    _write_json(folder / "text_encoder" / "config.json", TEXT)
    text_encoder = CLIPTextModel(CLIPTextConfig(**TEXT))
    tensors = {f"text_model.{name}": tensor for name, tensor in text_encoder.state_dict().items()}
    tensors["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    save_file(tensors, folder / "text_encoder" / "model.safetensors")
    _write_json(folder / "tokenizer" / "vocab.json", TOKEN_IDS)
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    ends = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    _write_json(folder / "tokenizer" / "special_tokens_map.json", ends | {"pad_token": "!"})
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "pad_token": "<|endoftext|>"}
    _write_json(folder / "tokenizer" / "tokenizer_config.json", ends | settings)


def _write_network(folder: Path, name: str) -> None:
    _write_json(folder / "config.json", config(f"{name}_config"))
    save_file(weights(name), folder / "diffusion_pytorch_model.safetensors")


def _write_json(file: Path, content: dict[str, object]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
