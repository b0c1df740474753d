"""What every upscaler promises: uint8 in, uint8 out, any size, no patch that depends on its neighbours."""

from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch._dynamo.utils import counters

from srscene.runtime.console import BadInput
from srscene.runtime.device import halving
from srscene.runtime.params import recorded, restored
from srscene.sr.common import checkpoints
from srscene.sr.common.names import options_of, upscalers
from srscene.sr.common.network_upscaler import NetworkUpscaler
from srscene.sr.common.upscaler import Upscale, find, load_from_card
from srscene.sr.spandrel.weights import prepare as prepare_spandrel
from tests.sr.sr_data import checkpoint, images, store, upscale_options, weights_options

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
    if model:
        given = checkpoint(model, folder / "given.safetensors").resolve()
        options = weights_options(request.param, source=str(given))
        prepare = import_module(f"srscene.sr.{request.param}.weights").prepare
        card = prepare(options, store(folder / "patches", images(3, 24, 24)), None, folder, "test")
        assert card["source"] == "file"
        assert card["parameters"] > 0
        assert len(card["sha256"]) == 64
    return scale, find(request.param).load(upscale_options(request.param), folder, CPU, "fp32")


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


def test_the_truth_is_the_reference(tmp_path: Path) -> None:
    patches = store(tmp_path / "patches", images(3, 8, 8), references=images(3, 32, 32, seed=1))
    upscaler = find("truth")
    upscale = upscaler.load(upscale_options("truth"), tmp_path, CPU, "fp32")
    shown = upscale(torch.from_numpy(upscaler.images(patches, [2, 0])), ["c", "a"])
    assert (shown.numpy() == np.stack([patches.reference(2), patches.reference(0)])).all()


def test_the_truth_must_be_known(tmp_path: Path) -> None:
    patches = store(tmp_path / "patches", images(3, 8, 8))
    with pytest.raises(
        BadInput, match=r"patches: holds no true images at 2\.5 m, .* only dataset: synthetic"
    ):
        find("truth").images(patches, [0])
    card = {"sr": "truth", "options": {}, "precision": "fp32", "weights": None}
    with pytest.raises(BadInput, match="sr: truth shows what a store holds; it can't upscale anything else"):
        load_from_card(card, tmp_path, CPU)


def test_options_of_an_older_version_are_said(tmp_path: Path) -> None:
    card = {"sr": "hat", "options": {"tile": 4}, "precision": "bf16", "weights": None}
    with pytest.raises(
        BadInput, match=r"upscalers\.hat\.upscale: found .*, expected compile, precision; run `dvc repro`"
    ):
        load_from_card(card, tmp_path, CPU)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(2, 4))
@settings(max_examples=20, deadline=None)
def test_bicubic_at_any_size_and_scale(height: int, width: int, scale: int) -> None:
    upscaler = find("bicubic")
    upscale = upscaler.load(upscale_options("bicubic", scale=scale), Path(), CPU, "fp32")
    image = torch.from_numpy(images(1, height, width))
    assert upscale(image, ["a"]).shape == (1, scale * height, scale * width, 3)


def test_unknown_name_lists_those_that_exist() -> None:
    with pytest.raises(BadInput, match=r"'magic' is no upscaler; known: bicubic, hat, none, "):
        find("magic")
    with pytest.raises(BadInput, match=r"did you mean 'srresnet'\?"):
        find("srresnet50")


@pytest.mark.parametrize("name", upscalers())
def test_its_sections_have_no_default(name: str) -> None:
    """Values stand in params.yaml alone, and there all of them are sound."""
    for kind, chosen in zip(options_of(name), (weights_options(name), upscale_options(name)), strict=True):
        assert all(field.is_required() for field in kind.model_fields.values())
        assert kind.model_validate(restored(kind, recorded(chosen))) == chosen


def test_spandrel_needs_a_path(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"upscalers.spandrel.weights.source: is empty"):
        prepare_spandrel(
            weights_options("spandrel"), store(tmp_path / "p", images(3, 8, 8)), None, tmp_path, "test"
        )


def test_spandrel_takes_the_checkpoints_scale_and_padding(tmp_path: Path) -> None:
    given = checkpoint("hat_w16", tmp_path / "given.safetensors").resolve()
    options = weights_options("spandrel", source=str(given))
    card = prepare_spandrel(options, store(tmp_path / "p", images(3, 8, 8)), None, tmp_path, "test")
    assert (card["architecture"], card["scale"]) == ("HAT", 4)
    with pytest.raises(BadInput, match="HAT does not bear fp16; use fp32"):
        find("spandrel").load(upscale_options("spandrel"), tmp_path, CPU, "fp16")


COMPILABLE = [name for name in CASES if "compile" in options_of(name)[1].model_fields]


@pytest.mark.parametrize("name", COMPILABLE)
def test_compiled(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What PyTorch captures of it, once, computes the same; generating code would take 15 seconds."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    torch.compiler.reset()
    counters.clear()
    checkpoint(str(CASES[name][1]), tmp_path / "weights.safetensors")
    eager, compiled = (
        find(name).load(upscale_options(name, compile=choice), tmp_path, CPU, "bf16")
        for choice in (False, True)
    )
    graphs = []
    for pixels in torch.from_numpy(images(4, 32, 32)).split(2):
        assert torch.equal(compiled(pixels, ["a", "b"]), eager(pixels, ["a", "b"]))
        graphs.append(counters["stats"]["unique_graphs"])
    assert graphs[0] > 0
    assert name == "spandrel" or graphs[1] == graphs[0]


def test_without_a_compiler_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def backend(*_: object) -> None:
        raise RuntimeError("no compiler found")

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    torch.compiler.reset()
    checkpoint("msrresnet", tmp_path / "weights.safetensors")
    compiled = find("srresnet").load(upscale_options("srresnet", compile=True), tmp_path, CPU, "fp32")
    with pytest.raises(BadInput, match=r"compile: torch\.compile failed here .*no compiler found.*to false"):
        halving("upscale", lambda _: compiled(torch.from_numpy(images(1, 32, 32)), ["a"]), 1)


def test_a_new_network_is_one_function(tmp_path: Path) -> None:
    """A toy that shows each pixel as a tile of its own colour."""

    def build(state: checkpoints.State, file: Path) -> nn.Module:
        network = nn.Sequential(nn.Conv2d(3, 12, 1), nn.PixelShuffle(2))
        checkpoints.load_strictly(network, state, file)
        return network

    kernel = torch.eye(3).repeat_interleave(4, 0)[:, :, None, None]
    state = {"0.weight": kernel, "0.bias": torch.zeros(12)}
    checkpoints.save(state, tmp_path)
    toy = NetworkUpscaler(build, gpu_precision="fp16")
    options = upscale_options("srresnet", precision="auto")
    assert toy.precision(options, torch.device("cuda")) == "fp16"
    pixels = torch.from_numpy(images(2, 5, 7))
    output = toy.load(options, tmp_path, CPU, "fp32")(pixels, ["a", "b"])
    assert torch.equal(output, pixels.repeat_interleave(2, 1).repeat_interleave(2, 2))
    with pytest.raises(BadInput, match=r"net.pth: Missing key.*0.bias"):
        toy.check({"0.weight": kernel}, Path("net.pth"))
