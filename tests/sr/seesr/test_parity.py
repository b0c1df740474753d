"""The loaded upscaler, from a patch to its picture, against the official pipeline's pictures.

What the official run was given stands at the borders: text embeddings where the text encoder is, image tokens
and one tag where the tagger is, and its noise. All between is what users run.
"""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from srscene.sr.seesr.model import colour, pipeline, tagger
from srscene.sr.seesr.model.models import Models
from srscene.sr.seesr.model.restorer import Restorer
from srscene.sr.seesr.options import ColourFix, UpscaleOptions
from tests.options import section
from tests.sr.seesr.official import CPU, assert_colours_follow, config, network, picture, recorded
from tests.sr.seesr.official_run import RUNS

COLOUR_FIXES: tuple[ColourFix, ...] = ("adain", "wavelet")
TAG = 7
NEGATIVE = "dotted, noise, blur, lowres, smooth"


class RecordedTexts:
    """Tokenizer and text encoder of the two prompts that a run has; any other is an error."""

    def __init__(self, data: dict[str, torch.Tensor]) -> None:
        tag = tagger.official_vocabulary().tags[TAG]
        self.prompts = [f"{tag}, ,clean, high-resolution, 8k", NEGATIVE]
        none = data["prompt_embeds"]  # a run without guidance has no negative prompt
        self.embedded = torch.cat([data["prompt_embeds"], data.get("negative_prompt_embeds", none)])

    def tokenize(self, prompts: list[str], **settings: Any) -> SimpleNamespace:
        return SimpleNamespace(input_ids=torch.tensor([self.prompts.index(prompt) for prompt in prompts]))

    def encode(self, ids: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(last_hidden_state=self.embedded[ids])


class RecordedTagger(nn.Module):
    def __init__(self, data: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.patch, self.tokens = picture(data["lr_uint8"]).float().div(255), data["image_embeds"]

    def forward(self, pictures: torch.Tensor) -> tagger.Tagged:
        assert torch.equal(pictures, self.patch)  # the patch itself, not enlarged
        logits = torch.full((1, 4585), -9.0)
        logits[0, TAG] = 9.0
        return tagger.Tagged(self.tokens, logits)


def restore(run: str, colour_fix: ColourFix, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """The picture (H, W, 3) that the loaded upscaler makes of the run's patch."""
    data, settings = recorded("pipeline", run), config("meta")[run]
    texts = RecordedTexts(data)
    models = Models(
        *(network(name) for name in ("unet", "controlnet", "vae")),
        texts.encode,
        RecordedTagger(data),
        texts.tokenize,
        config("scheduler_config"),
    )
    options = section(
        "upscalers.seesr.upscale",
        UpscaleOptions,
        process_size=64,
        steps=settings["steps"],
        guidance=settings["guidance_scale"],
        start_point=settings["start_point"],
        tile=settings["latent_tiled_size"],
        tile_overlap=settings["latent_tiled_overlap"],
        colour_fix=colour_fix,
    )
    # The official noise comes from this generator, but that of the VAE's posterior, which was recorded.
    generator = torch.Generator().manual_seed(settings["generator_seed"])
    height, width = (side // 8 for side in data["cond_uint8"].shape[:2])
    start = [torch.randn(1, 4, height, width, generator=generator)]
    if settings["start_point"] == "lr":
        start.append(data["noise.vae_posterior"][:1])
    monkeypatch.setattr(pipeline, "draw", lambda *_: start.pop(0))
    restorer = Restorer(options, options.resolved(turbo=False), models, CPU)
    monkeypatch.setattr(restorer, "_generator", lambda name: generator)
    restored: torch.Tensor = restorer(data["lr_uint8"][None], ["any"])[0]
    assert not start
    return restored


@pytest.mark.parametrize("run", RUNS)
def test_pictures_are_the_official_ones(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the border between two levels rounding decides: see test_pipeline.py."""
    data = recorded("pipeline", run)
    image = restore(run, "none", monkeypatch)
    difference = (image.int() - data["out.image_uint8"].int()).abs()
    assert difference.max() <= 1
    assert (difference > 0).float().mean() < 1e-3
    for how in COLOUR_FIXES:
        fixed = restore(run, how, monkeypatch)
        assert torch.equal(picture(fixed), colour.fix(picture(image), picture(data["cond_uint8"]), how))
        assert_colours_follow(image, fixed, data, how)
