"""What every upscaler promises: uint8 in, uint8 out, any size, no patch that depends on its neighbours."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sr_data import checkpoint, images, store

from srscene.console import BadInput
from srscene.sr.upscaler import Upscale, UpscalerOptions, find

CPU = torch.device("cpu")
CASES: dict[str, tuple[int, str | None]] = {
    "none": (1, None),
    "bicubic": (4, None),
    "srresnet": (4, "msrresnet"),
    "realesrgan": (4, "rrdbnet"),
    "hat": (4, "hat_w16"),
    "spandrel": (4, "hat_w16"),
}
"""Upscaler -> its scale and the fixture that it runs on."""


@pytest.fixture(scope="module", params=CASES)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Upscale]:
    scale, model = CASES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    upscaler = find(request.param)
    options = options_for(upscaler, model, folder)
    card = upscaler.prepare(options, store(folder / "patches", images(3, 24, 24)), 0, folder)
    assert card["source"] == ("file" if model else "none")
    assert card["parameters"] == 0 or len(card["sha256"]) == 64
    return scale, upscaler.load(options, folder, CPU, "fp32")


def options_for(upscaler: Any, model: str | None, folder: Path) -> UpscalerOptions:
    if model is None:
        return upscaler.options()
    return upscaler.options(weights=str(checkpoint(model, folder / "given.safetensors").resolve()))


@pytest.mark.parametrize("size", [(24, 24), (37, 50), (33, 17)])
def test_shape_and_type(loaded: tuple[int, Upscale], size: tuple[int, int]) -> None:
    scale, upscale = loaded
    given_images = torch.from_numpy(images(2, *size))
    before = given_images.clone()
    output = upscale(given_images, ["a", "b"])
    assert output.dtype == torch.uint8
    assert output.shape == (2, scale * size[0], scale * size[1], 3)
    assert torch.equal(given_images, before)


def test_a_patch_does_not_depend_on_its_batch(loaded: tuple[int, Upscale]) -> None:
    _, upscale = loaded
    batch = torch.from_numpy(images(3, 24, 24))
    together = upscale(batch, ["a", "b", "c"])
    alone = torch.cat([upscale(image[None], [name]) for image, name in zip(batch, "abc", strict=True)])
    assert (together.int() - alone.int()).abs().max() <= 1
    assert torch.equal(together, upscale(batch, ["a", "b", "c"]))


def test_colours_stay(loaded: tuple[int, Upscale], request: pytest.FixtureRequest) -> None:
    """Bicubic and none alone must keep a plain colour; random weights need not, but must answer to it."""
    scale, upscale = loaded
    plain = torch.tensor([10, 100, 250], dtype=torch.uint8).expand(1, 24, 24, 3).contiguous()
    output = upscale(plain, ["a"])
    if request.node.callspec.params["loaded"] in ("none", "bicubic"):
        assert torch.equal(output, plain[:, :1, :1].expand(1, 24 * scale, 24 * scale, 3))
    else:
        assert not torch.equal(output, upscale(plain.flip(-1), ["a"]))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(2, 4))
@settings(max_examples=20, deadline=None)
def test_bicubic_at_any_size_and_scale(height: int, width: int, scale: int) -> None:
    upscaler = find("bicubic")
    upscale = upscaler.load(upscaler.options(scale=scale), Path(), CPU, "fp32")
    image = torch.from_numpy(images(1, height, width))
    assert upscale(image, ["a"]).shape == (1, scale * height, scale * width, 3)


def test_unknown_name_lists_those_that_exist() -> None:
    with pytest.raises(BadInput, match=r"'magic' is no upscaler; choose one of bicubic, hat, none, "):
        find("magic")


def test_spandrel_needs_a_path(tmp_path: Path) -> None:
    upscaler = find("spandrel")
    with pytest.raises(BadInput, match=r"upscalers.spandrel.weights: is empty"):
        upscaler.prepare(upscaler.options(), store(tmp_path / "p", images(3, 8, 8)), 0, tmp_path)


def test_spandrel_takes_the_checkpoints_scale_and_padding(tmp_path: Path) -> None:
    upscaler = find("spandrel")
    options = options_for(upscaler, "hat_w16", tmp_path)
    card = upscaler.prepare(options, store(tmp_path / "p", images(3, 8, 8)), 0, tmp_path)
    assert (card["architecture"], card["scale"]) == ("HAT", 4)
    with pytest.raises(BadInput, match="HAT does not bear fp16; use fp32"):
        upscaler.load(options, tmp_path, CPU, "fp16")
