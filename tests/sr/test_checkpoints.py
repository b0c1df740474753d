"""Every layout in which weights are published, and what is said about a file that is something else."""

import os
import pickle
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import conv2d, interpolate, pixel_shuffle

from srscene.runtime.console import BadInput
from srscene.sr.common import checkpoints
from srscene.sr.common.basicsr_shim import RRDBNet, SRVGGNetCompact
from srscene.sr.common.tensors import finite
from srscene.sr.common.upscaler import Card
from srscene.sr.realesrgan import package
from srscene.sr.realesrgan.model.network import build as build_realesrgan
from srscene.sr.srresnet.model.network import build, renamed
from tests.sr.sr_data import images, store, weights, weights_options

SRRESNET = weights("msrresnet")


def prepare(name: str, source: str, folder: Path) -> Card:
    """What the stage `weights` does with an upscaler's weights, into `folder / "out"`."""
    patches = store(folder / "patches", images(3, 8, 8))
    module = import_module(f"srscene.sr.{name}.weights")
    card: Card = module.prepare(weights_options(name, source=source), patches, None, folder / "out", "test")
    return card


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    "content",
    [
        SRRESNET,
        {"params": SRRESNET},
        {"params": {"old": torch.zeros(1)}, "params_ema": SRRESNET},
        {"meta": {"epoch": 3}, "state_dict": {f"module.{name}": value for name, value in SRRESNET.items()}},
        {
            "state_dict": {f"generator.{name}": value for name, value in SRRESNET.items()}
            | {"generator_ema.x": torch.zeros(1), "step_counter": torch.zeros(1)}
        },
        {
            name.replace("body.", "recon_trunk.").replace("conv_hr", "HRconv"): value
            for name, value in SRRESNET.items()
        },
    ],
    ids=["plain", "basicsr", "basicsr average", "lightning, parallel", "openmmlab", "kair"],
)
def test_every_layout_gives_the_same_network(content: dict[str, Any], tmp_path: Path) -> None:
    torch.save(content, tmp_path / "net.pth")
    state = renamed(checkpoints.read(tmp_path / "net.pth"))
    assert same(state, SRRESNET)
    assert same(build(state, tmp_path / "net.pth").state_dict(), SRRESNET)


def test_safetensors_round_trip(tmp_path: Path) -> None:
    shared = {**SRRESNET, "twin": SRRESNET["conv_first.weight"]}
    assert checkpoints.save(shared, tmp_path) == sum(value.numel() for value in shared.values())
    assert same(checkpoints.read(checkpoints.weights_file(tmp_path)), shared)


class Evil(NamedTuple):
    mark: Path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))


def test_a_pickle_with_code_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "net.pth").open("wb") as file:
        pickle.dump({"params": Evil(tmp_path / "mark")}, file, protocol=2)
    with pytest.raises(BadInput, match=r"net.pth: (holds more than tensors|damaged)"):
        checkpoints.read(tmp_path / "net.pth")
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_a_cut_file_is_refused(name: str, tmp_path: Path) -> None:
    whole = tmp_path / "whole.pth"
    torch.save(SRRESNET, whole)
    (tmp_path / name).write_bytes(whole.read_bytes()[:1000])
    with pytest.raises(BadInput, match=rf"{name}: damaged") as error:
        checkpoints.read(tmp_path / name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_weights_that_are_no_numbers_are_refused(dtype: torch.dtype, suffix: str, tmp_path: Path) -> None:
    bad, file = torch.tensor([1.0, float("nan"), 2.0]).to(dtype), tmp_path / f"net.{suffix}"
    torch.save({"a": bad}, file) if suffix == "pth" else save_file({"a": bad}, file)
    with pytest.raises(BadInput, match=rf"net.{suffix}: tensor 'a': 1 of 3 values are NaN or infinite"):
        checkpoints.read(file)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"\0" * 1000, "nothing but zeros"),
        (b"<!DOCTYPE html><p>log in", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a git-lfs pointer"),
        (b"\x80\x02garbage", "damaged"),
        (b"PK\x03\x04" + b"x" * 90, "damaged"),
    ],
)
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_another_file_is_called_by_its_name(content: bytes, found: str, suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"net.{suffix}").write_bytes(content)
    with pytest.raises(BadInput, match=rf"net.{suffix}: {found}") as error:
        checkpoints.read(tmp_path / f"net.{suffix}")
    assert "weights_only" not in str(error.value)


def test_a_pipe_and_a_folder_are_no_checkpoints(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pth")
    with pytest.raises(BadInput, match=r"pipe.pth: a named pipe"):
        checkpoints.read(tmp_path / "pipe.pth")
    with pytest.raises(BadInput, match=r": a folder"):
        checkpoints.read(tmp_path)


def test_a_tensor_may_not_be_larger_than_its_file(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1).expand(10**9)}, tmp_path / "net.pth")
    with pytest.raises(BadInput, match=r"tensor 'a' claims 4 GB, but the file has"):
        checkpoints.read(tmp_path / "net.pth")


def test_names_are_text(tmp_path: Path) -> None:
    torch.save({1: torch.zeros(1)}, tmp_path / "net.pth")
    with pytest.raises(BadInput, match=r"expected names of tensors, found 1"):
        checkpoints.read(tmp_path / "net.pth")


def test_an_output_that_is_no_number_names_its_patch() -> None:
    images = torch.zeros(2, 3, 4, 4)
    assert finite(images, ["one", "two"]) is images
    images[1, 0, 0, 0] = float("inf")
    with pytest.raises(BadInput, match=r"two: the upscaler's output has NaN .*precision"):
        finite(images, ["one", "two"])


def test_what_is_no_state_dict(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(BadInput, match=r"list.pth: expected weights by name, found list"):
        checkpoints.read(tmp_path / "list.pth")
    torch.save({"epoch": 3}, tmp_path / "number.pth")
    with pytest.raises(BadInput, match=r"number.pth: 'epoch' is a int, expected a tensor"):
        checkpoints.read(tmp_path / "number.pth")


def test_a_wrong_shape_names_file_key_and_both_shapes() -> None:
    state = {**SRRESNET, "conv_hr.bias": torch.zeros(5)}
    with pytest.raises(BadInput, match=r"net.pth: .*conv_hr.bias.*\[5\].*\[24\]") as error:
        build(state, Path("net.pth"))
    assert "\n" not in str(error.value)


def test_a_missing_layer_is_named() -> None:
    state = {name: value for name, value in SRRESNET.items() if name != "conv_last.bias"}
    with pytest.raises(BadInput, match=r"net.pth: Missing key.*conv_last.bias"):
        build(state, Path("net.pth"))


@pytest.mark.parametrize(
    ("name", "other", "finding"),
    [
        ("srresnet", "rrdbnet", "no MSRResNet: expected body.0.conv1.weight"),
        ("realesrgan", "msrresnet", r"not Real-ESRGAN's: expected body.0.rdb1.conv1.weight \(RRDBNet\) or"),
        ("hat", "msrresnet", "no HAT: it has no"),
        ("spandrel", "msrresnet", "spandrel recognises no architecture"),
    ],
)
def test_another_networks_checkpoint(name: str, other: str, finding: str, tmp_path: Path) -> None:
    torch.save(weights(other), tmp_path / "other.pth")
    with pytest.raises(BadInput, match=rf"other.pth: {finding}") as error:
        prepare(name, str(tmp_path / "other.pth"), tmp_path)
    assert "\n" not in str(error.value)


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"'nowhere.pth': no such file; choose fit \| official \| official-s"):
        prepare("hat", "nowhere.pth", tmp_path)


def test_real_esrgan_from_the_package(tmp_path: Path) -> None:
    card = prepare("realesrgan", "package", tmp_path)
    assert card["parameters"] == 16_697_987
    assert card["sha256"] == package.MODELS["package"].sha256
    state = checkpoints.read(checkpoints.weights_file(tmp_path / "out"))
    RRDBNet(3, 3).load_state_dict(state)
    assert len(package.rrdbnet()) == 351 == len(state) / 2


def test_the_fast_real_esrgan_from_the_package(tmp_path: Path) -> None:
    card = prepare("realesrgan", "package-animevideov3", tmp_path)
    assert card["parameters"] == 621_424
    assert card["sha256"] == package.MODELS["package-animevideov3"].sha256
    state = checkpoints.read(checkpoints.weights_file(tmp_path / "out"))
    SRVGGNetCompact(num_feat=64, num_conv=16, upscale=4, act_type="prelu").load_state_dict(state)
    assert len(package.compact()) == 35


@pytest.mark.parametrize(("features", "convolutions"), [(64, 32), (64, 16), (24, 3)])
def test_a_fast_network_of_any_size(features: int, convolutions: int, tmp_path: Path) -> None:
    """The official sizes are 64 channels and 32 (general-x4v3) or 16 (animevideov3) convolutions."""
    network = SRVGGNetCompact(num_feat=features, num_conv=convolutions, upscale=4)
    torch.save({"params": network.state_dict()}, tmp_path / "net.pth")
    prepare("realesrgan", str(tmp_path / "net.pth"), tmp_path)
    state = checkpoints.read(checkpoints.weights_file(tmp_path / "out"))
    built = build_realesrgan(state, Path("net.pth"))
    assert isinstance(built, SRVGGNetCompact)
    assert same(built.state_dict(), network.state_dict())


def test_a_fast_network_of_another_scale_is_refused(tmp_path: Path) -> None:
    torch.save(SRVGGNetCompact(upscale=2, num_conv=2).state_dict(), tmp_path / "x2.pth")
    with pytest.raises(BadInput, match=r"x2.pth: size mismatch for body.6.weight.*\[12, .*\[48, "):
        prepare("realesrgan", str(tmp_path / "x2.pth"), tmp_path)


@pytest.mark.parametrize("source", package.MODELS)
def test_a_package_file_of_another_length_is_refused(source: str) -> None:
    content, model = package.file(source).read_bytes(), package.MODELS[source]
    whole = len(content)
    with pytest.raises(BadInput, match=rf"{whole + 4} bytes, expected {whole}"):
        package.parse(content + b"\0\0\0\0", model)
    with pytest.raises(BadInput, match=rf"1000 bytes, expected {whole}"):
        package.parse(content[:1000], model)
    with pytest.raises(BadInput, match=r": flag 0x0 at byte 0, expected 0x1306b47"):
        package.parse(b"\0\0\0\0" + content, model)
    assert distribution(package.WHEEL).version == "1.0.1"


@torch.inference_mode()
def test_the_fast_package_means_to_ncnn_what_it_means_to_us() -> None:
    """Its .param file, in which ncnn's layers, their order and parameters stand, run here line by line."""
    state, _ = package.read("package-animevideov3")
    file = package.file("package-animevideov3")
    picture = torch.from_numpy(images(1, 20, 28)).permute(0, 3, 1, 2) / 255
    ours = build_realesrgan(state, file)(picture)
    ncnn = run_ncnn(file.with_suffix(".param"), file, picture)
    assert ours.shape == (1, 3, 80, 112)
    assert (ours - ncnn).abs().max() < 1e-6
    assert (ours - interpolate(picture, scale_factor=4)).abs().max() > 0.01


def run_ncnn(param: Path, binary: Path, picture: torch.Tensor) -> torch.Tensor:
    """What ncnn's documentation says that these layers do; anything else fails."""
    content, position = binary.read_bytes(), 0
    blobs = {}

    def take(kind: str, count: int) -> torch.Tensor:
        nonlocal position
        values = np.frombuffer(content, kind, count, position).astype(np.float32)
        position += values.size * np.dtype(kind).itemsize
        position += -position % 4
        return torch.from_numpy(values)

    for line in param.read_text().splitlines()[2:]:
        layer, _, inputs, outputs, *rest = line.split()
        names, given = rest[: int(inputs) + int(outputs)], rest[int(inputs) + int(outputs) :]
        options = {int(key): float(value) for key, value in (option.split("=") for option in given)}
        into = [blobs[name] for name in names[: int(inputs)]]
        match layer:
            case "Input":
                result = picture
            case "Split":
                result = into[0]
            case "Convolution":  # 0 outputs, 1 side of the kernel, 4 padding, 5 bias, 6 number of weights
                assert options.keys() == {0, 1, 4, 5, 6}
                assert (options[1], options[4], options[5]) == (3, 1, 1)
                assert int.from_bytes(content[position : position + 4], "little") == 0x01306B47  # fp16
                position += 4
                kernel = take("<f2", int(options[6])).view(int(options[0]), -1, 3, 3)
                result = conv2d(into[0], kernel, take("<f4", int(options[0])), padding=1)
            case "PReLU":  # 0 number of slopes
                slopes = take("<f4", int(options[0])).view(-1, 1, 1)
                result = torch.where(into[0] < 0, into[0] * slopes, into[0])
            case "PixelShuffle":  # 0 factor
                result = pixel_shuffle(into[0], int(options[0]))
            case "Interp":  # 0 = 1: nearest; 1, 2 factors
                assert options == {0: 1, 1: 4, 2: 4}
                result = into[0].repeat_interleave(4, 2).repeat_interleave(4, 3)
            case "BinaryOp":  # without parameters: add
                assert not options
                result = into[0] + into[1]
            case _:
                pytest.fail(f"unknown layer {layer}")
        blobs |= dict.fromkeys(names[int(inputs) :], result)
    assert position == len(content)
    return blobs["output"]


@pytest.mark.parametrize("legacy", [False, True])
def test_no_flipped_or_cut_checkpoint_is_a_traceback(legacy: bool, tmp_path: Path) -> None:
    torch.save(SRRESNET, tmp_path / "whole.pth", _use_new_zipfile_serialization=not legacy)
    whole = (tmp_path / "whole.pth").read_bytes()
    random = np.random.default_rng(0)
    file, refused = tmp_path / "net.pth", 0
    for number in range(150):
        content = bytearray(whole)
        place = int(random.integers(min(2000, len(whole)) if number % 2 else len(whole)))
        content[place] ^= 1 << int(random.integers(8))
        file.write_bytes(content[: place if number % 5 == 0 else None])
        try:
            checkpoints.read(file)
        except BadInput:
            refused += 1
    assert refused > 20
