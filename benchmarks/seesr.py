"""SeeSR at its real size on a GPU: seconds a patch, peak memory, share of what the GPU can do.

The weights are random, which changes no time; a patch of 120×120 is worked at 512×512, UNet and ControlNet in
bf16. Without a GPU there is nothing to measure: 50 steps of one patch are 164 TFLOP.
"""

import statistics
import time
from collections.abc import Iterator
from typing import Any

import torch
from transformers import CLIPTokenizer

from benchmarks.common import Row, peak, say_failed
from srscene.runtime.console import say
from srscene.runtime.params import read
from srscene.sr.seesr.model.loading import fill
from srscene.sr.seesr.model.models import DENOISERS, NETWORKS, Models
from srscene.sr.seesr.model.restorer import Restorer
from srscene.sr.seesr.options import UpscaleOptions

TOPIC = "SeeSR, 120×120 → 480×480, bf16"
BATCHES = (1, 2, 4, 8, 16)
EMBEDDING = 0.0074e12
STEP = 1.635e12 - 2 * EMBEDDING
"""Multiply-adds of UNet and ControlNet a step and patch, guided, worked at 512×512, without the embedding of
the condition, which is done once; counted by PyTorch's flop counter on meta tensors."""
ONCE = EMBEDDING + 0.5583e12 + 1.2573e12 + 0.1622e12
"""Multiply-adds of embedding, VAE and tagger a patch, counted likewise; the text encoder's 0.03e12 are left
out."""

STABLE_DIFFUSION = {
    "attention_head_dim": [5, 10, 20, 20],
    "block_out_channels": [320, 640, 1280, 1280],
    "cross_attention_dim": 1024,
    "layers_per_block": 2,
    "use_linear_projection": True,
    "use_image_cross_attention": True,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "unet": STABLE_DIFFUSION,
    "controlnet": STABLE_DIFFUSION,
    "vae": {
        "block_out_channels": [128, 256, 512, 512],
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "latent_channels": 4,
        "layers_per_block": 2,
    },
    "text_encoder": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 23,
        "num_attention_heads": 16,
        "hidden_act": "gelu",
    },
    "tagger": {
        "swin_width": 192,
        "swin_depths": [2, 2, 18, 2],
        "swin_heads": [6, 12, 24, 48],
        "tags": 4585,
        "head_width": 768,
        "head_hidden": 3072,
        "head_layers": 2,
    },
}
SCHEDULER = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}


def run(quick: bool) -> Iterator[Row]:
    """Measure growing batches, then the best and batch 1 with torch.compile; `quick`: 5 steps, 2 batches."""
    if not torch.cuda.is_available():
        say("seesr: needs a GPU, and PyTorch sees none; not measured")
        return
    device = torch.device("cuda")
    steps, batches = (5, BATCHES[:3:2]) if quick else (50, BATCHES)
    models = random_models(CONFIGS, device, torch.bfloat16)
    seconds: dict[int, float] = {}
    eager = restorer(models, device, steps=steps)
    for batch in batches:
        try:
            seconds[batch], memory = measure(eager, batch)
        except torch.cuda.OutOfMemoryError:
            say(f"seesr: a batch of {batch} does not fit")
            break
        yield from _rows(f"{steps} steps, batch {batch}", seconds[batch], seconds[batches[0]], memory, steps)
    for batch in dict.fromkeys((min(seconds, key=seconds.__getitem__), 1) if seconds else ()):
        torch.compiler.reset()  # or the second size would be compiled for any size
        case = f"{steps} steps, batch {batch}, torch.compile"
        try:
            compiled, memory = measure(restorer(models, device, steps=steps, compile=True), batch)
        except Exception as error:  # of whatever kind a compiler raises
            say_failed(f"seesr: {case}", error)
            continue
        yield from _rows(case, compiled, seconds[batches[0]], memory, steps)


def restorer(models: Models, device: torch.device, **changes: Any) -> Restorer:
    """Return SeeSR with the options of params.yaml, some of them changed."""
    options = read("upscalers.seesr.upscale", UpscaleOptions).model_copy(update=changes)
    return Restorer(options, options.resolved(turbo=False), models, device)


def measure(restore: Restorer, batch: int, rounds: int = 3) -> tuple[float, float]:
    """Return the median of `rounds` in seconds a patch, and the peak of GPU memory in GiB."""
    patches = torch.randint(0, 256, (batch, 120, 120, 3), dtype=torch.uint8, device=restore.device)
    names = [str(number) for number in range(batch)]
    restore(patches, names)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(rounds):
        torch.cuda.synchronize()
        start = time.perf_counter()
        restore(patches, names)
        torch.cuda.synchronize()
        seconds.append((time.perf_counter() - start) / batch)
    return statistics.median(seconds), torch.cuda.max_memory_allocated() / 2**30


def _rows(case: str, seconds: float, baseline: float, memory: float, steps: int) -> list[Row]:
    rows = [
        Row(TOPIC, case, seconds, "s/patch", baseline / seconds),
        Row(TOPIC, f"{case}: peak memory", memory, "GiB"),
    ]
    if flops := peak(torch.cuda.get_device_name()):
        share = 2 * (STEP * steps + ONCE) / seconds / flops
        rows.append(Row(TOPIC, f"{case}: share of the bf16 peak", 100 * share, "%"))
    return rows


def random_models(configs: dict[str, dict[str, Any]], device: torch.device, dtype: torch.dtype) -> Models:
    """Return networks of these sizes with random weights, and a tokenizer that knows single letters."""
    networks = {}
    for name, build in NETWORKS.items():
        network = build(configs[name])
        sizes = {key: value.shape for key, value in network.state_dict().items()}
        tensors = {key: torch.randn(size, device=device) * 0.02 for key, size in sizes.items()}
        networks[name] = fill(network, tensors, device, dtype if name in DENOISERS else torch.float32)
    letters = [chr(code) for code in range(33, 127)]
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={token: number for number, token in enumerate(vocabulary)}, merges=[])
    return Models(**networks, tokenizer=tokenizer, scheduler=SCHEDULER)
