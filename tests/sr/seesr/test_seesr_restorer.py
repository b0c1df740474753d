"""The whole upscaler on tiny networks: sizes, parameters, and the same bytes however patches are batched."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from official import CPU

from srscene.sr.seesr import UPSCALER, SeeSROptions
from srscene.sr.seesr.models import Models, load
from srscene.sr.seesr.restorer import Restorer
from srscene.sr.upscaler import find

NAMES = ["S2A_1", "S2A_2", "S2B_3"]
PATCHES = torch.randint(0, 256, (3, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def restorer(models: Models, **options: Any) -> Restorer:
    return Restorer(SeeSROptions(**{"process_size": 64, "steps": 2, **options}), models, CPU)


@pytest.fixture(scope="module")
def models(converted: Path) -> Models:
    return load(converted, CPU, torch.float32)


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


def test_same_bytes_in_groups_of_one_size(tiny: Restorer, models: Models) -> None:
    """As on a GPU: the last group is filled up, so that all batches have one size."""
    grouped = restorer(models)
    grouped.group = 2
    together = grouped(PATCHES, NAMES)
    apart = [grouped(PATCHES[:2], NAMES[:2]), grouped(PATCHES[2:], NAMES[2:])]
    assert torch.equal(torch.cat(apart), together)
    singly = tiny(PATCHES, NAMES)
    assert (singly.int() - together.int()).abs().float().mean() < 0.5

    sizes = set()
    seen = models.unet.register_forward_pre_hook(lambda unet, inputs: sizes.add(len(inputs[0])))
    grouped(PATCHES, NAMES)
    seen.remove()
    assert sizes == {4}  # two patches, each with and without its prompt


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


def test_turbo(converted_turbo: Path) -> None:
    turbo = restorer(load(converted_turbo, CPU, torch.float32), turbo=True, steps="auto", tile=96)
    turbo(PATCHES[:1], NAMES[:1])
    assert turbo.scheduler.timesteps.tolist() == [999, 499]
    assert turbo.options.resolved_guidance == 1


def test_bf16(converted: Path, tiny: Restorer) -> None:
    half = restorer(load(converted, CPU, torch.bfloat16))
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
