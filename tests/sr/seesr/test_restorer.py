"""The whole upscaler on tiny networks: sizes, parameters, and the same bytes however patches are batched."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from srscene.runtime.console import BadInput
from srscene.sr.common.upscaler import find
from srscene.sr.seesr.model import UPSCALER
from srscene.sr.seesr.model.models import Models, load, read_configs
from srscene.sr.seesr.model.restorer import Restorer
from srscene.sr.seesr.options import UpscaleOptions
from tests.options import section
from tests.sr.seesr.official import CPU

NAMES = ["S2A_1", "S2A_2", "S2B_3"]
PATCHES = torch.randint(0, 256, (3, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def upscale_options(**changes: Any) -> UpscaleOptions:
    return section("upscalers.seesr.upscale", UpscaleOptions, **{"process_size": 64, "steps": 2} | changes)


def restorer(models: Models, **changes: Any) -> Restorer:
    options = upscale_options(**changes)
    return Restorer(options, options.resolved(turbo=False), models, CPU)


@pytest.fixture(scope="module")
def models(converted: Path) -> Models:
    return load(converted, read_configs(converted), CPU, torch.float32)


@pytest.fixture(scope="module")
def tiny(models: Models) -> Restorer:
    return restorer(models)


def test_it_is_found_by_name() -> None:
    assert find("seesr") is UPSCALER


def test_same_bytes_in_any_batch_and_order(tiny: Restorer) -> None:
    together = tiny(PATCHES, NAMES)
    assert together.dtype == torch.uint8
    assert together.shape == (3, 64, 64, 3)
    for index in range(3):
        assert torch.equal(tiny(PATCHES[index : index + 1], NAMES[index : index + 1])[0], together[index])
    assert torch.equal(tiny(PATCHES.flip(0), NAMES[::-1]), together.flip(0))


def test_a_gpu_takes_all_that_it_is_given(tiny: Restorer, models: Models) -> None:
    """The pictures are those of single patches, but for rounding, which random weights make much of."""
    batched = restorer(models)
    batched.singly = False
    sizes = set()
    seen = models.unet.register_forward_pre_hook(lambda unet, inputs: sizes.add(len(inputs[0])))
    together = batched(PATCHES, NAMES)
    seen.remove()
    assert sizes == {6}  # three patches, each with and without its prompt
    assert (tiny(PATCHES, NAMES).int() - together.int()).abs().float().mean() < 0.5


@torch.inference_mode()
def test_conditioning_scale_weighs_controlnets_residuals(models: Models) -> None:
    """At the first step, where all else is the same, the UNet gets half of what it gets at a scale of 1."""
    seen: dict[float, list[torch.Tensor]] = {}

    def note(scale: float, unet: torch.nn.Module, inputs: Any, named: dict[str, Any]) -> None:
        residuals = named["down_block_additional_residuals"], named["mid_block_additional_residual"]
        seen.setdefault(scale, [*residuals[0], residuals[1]])

    for scale in (1.0, 0.5):  # half is exact in binary
        hook = models.unet.register_forward_pre_hook(partial(note, scale), with_kwargs=True)
        restorer(models, conditioning_scale=scale)(PATCHES[:1], NAMES[:1])
        hook.remove()
    assert len(seen[1.0]) == 13
    for whole, half in zip(seen[1.0], seen[0.5], strict=True):
        assert whole.abs().max() > 0
        assert torch.equal(half, whole / 2)


def test_what_steps_share_is_done_once(models: Models) -> None:
    """Once a patch: embedding, tagger and prompt; once for all patches: the negative prompt."""
    names = ("unet", "controlnet", "embedding", "tagger", "text_encoder")
    calls = Counter[str]()
    hooks = [
        getattr(models, name).register_forward_pre_hook(lambda *_, name=name: calls.update([name]))
        for name in names
    ]
    restorer(models, steps=5)(PATCHES, NAMES)
    for hook in hooks:
        hook.remove()
    assert calls == {"unet": 15, "controlnet": 15, "embedding": 3, "tagger": 3, "text_encoder": 4}


def test_noise_depends_on_name_and_seed(tiny: Restorer, models: Models) -> None:
    first = tiny(PATCHES[:1], NAMES[:1])
    assert not torch.equal(tiny(PATCHES[:1], NAMES[1:2]), first)
    assert not torch.equal(restorer(models, seed=1)(PATCHES[:1], NAMES[:1]), first)


@pytest.mark.parametrize(
    "options",
    [
        {"guidance": 1.0},
        {"conditioning_scale": 0.0},
        {"steps": 3},
        {"prompt": "boats"},
        {"added_prompt": ""},
        {"negative_prompt": "sharp"},
        {"colour_fix": "wavelet"},
        {"colour_fix": "none"},
        {"process_size": 96},
        {"start_point": "noise"},
        {"scheduler": "ddim"},
        {"scheduler": "dpm++"},
        {"tile": 8, "tile_overlap": 2, "process_size": 96},
    ],
    ids=str,
)
def test_every_parameter_counts(tiny: Restorer, models: Models, options: dict[str, Any]) -> None:
    changed = restorer(models, **options)(PATCHES[:1], NAMES[:1])
    assert changed.shape == (1, 64, 64, 3)
    assert changed.float().std() > 1
    assert not torch.equal(changed, tiny(PATCHES[:1], NAMES[:1]))


def test_patches_need_not_be_square(tiny: Restorer) -> None:
    assert tiny(PATCHES[:1, :12], NAMES[:1]).shape == (1, 48, 64, 3)


def test_colours_are_those_of_the_patch(tiny: Restorer) -> None:
    found = tiny(PATCHES[:1], NAMES[:1]).float().mean((1, 2))
    assert (found - PATCHES[:1].float().mean((1, 2))).abs().max() < 5


def test_auto_means_what_suits_the_weights(converted: Path, converted_turbo: Path) -> None:
    options = upscale_options(steps="auto")
    turbo, plain = (UPSCALER.load(options, folder, CPU, "fp32") for folder in (converted_turbo, converted))
    assert isinstance(turbo, Restorer)
    assert isinstance(plain, Restorer)
    assert turbo.resolved == (2, 1.0, 32)
    assert plain.resolved == (50, 5.5, 4)
    turbo(PATCHES[:1], NAMES[:1])
    assert turbo.scheduler.timesteps.tolist() == [999, 499]


def test_given_numbers_are_kept() -> None:
    options = upscale_options(steps=7, guidance=2.0, tile_overlap=5)
    assert options.resolved(turbo=True) == options.resolved(turbo=False) == (7, 2.0, 5)


def test_overlap_of_a_whole_tile_is_refused(converted: Path, converted_turbo: Path) -> None:
    with pytest.raises(BadInput, match=r"tile_overlap \(16\) must be less than tile \(16\)"):
        upscale_options(tile=16, tile_overlap=16)
    options = upscale_options(tile=32)
    UPSCALER.load(options, converted, CPU, "fp32")
    with pytest.raises(
        BadInput, match=r"tile_overlap \(auto, with turbo 32\) must be less than tile \(32\)"
    ) as error:
        UPSCALER.load(options, converted_turbo, CPU, "fp32")
    assert "\n" not in str(error.value)


def test_bf16(converted: Path, tiny: Restorer) -> None:
    half = UPSCALER.load(tiny.options, converted, CPU, "bf16")
    difference = half(PATCHES[:1], NAMES[:1]).float() - tiny(PATCHES[:1], NAMES[:1]).float()
    assert difference.abs().mean() < 16


def test_compiled(tiny: Restorer, models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both networks are captured whole; generating code for them takes minutes, so they run as they are."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager", fullgraph=True))
    compiled = restorer(models, compile=True)
    assert torch.equal(compiled(PATCHES[:1], NAMES[:1]), tiny(PATCHES[:1], NAMES[:1]))
    torch.compiler.reset()


def test_tags_are_read(tiny: Restorer) -> None:
    logits = tiny.models.tagger(PATCHES.permute(0, 3, 1, 2).float().div(255)).logits
    assert logits.shape == (3, 4585)
    assert any(tiny.vocabulary.names(logits))


def test_prompt_is_the_official_one(tiny: Restorer) -> None:
    assert tiny._prompt("dog, grass") == "dog, grass, ,clean, high-resolution, 8k"


def test_texts_are_padded_as_officially(tiny: Restorer) -> None:
    """With "!", token 0, as special_tokens_map.json says; tokenizer_config.json says otherwise."""
    ids = tiny.models.tokenizer(["a"], padding="max_length", max_length=77, truncation=True).input_ids[0]
    start, end = tiny.models.tokenizer.bos_token_id, tiny.models.tokenizer.eos_token_id
    assert len(ids) == 77
    assert ids[0] == start
    assert ids[2:] == [end] + [0] * 74
