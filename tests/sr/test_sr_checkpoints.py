"""Every layout in which weights are published, and what is said about a file that is something else."""

import pickle
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from sr_data import images, store, weights

from srscene.console import BadInput
from srscene.sr import checkpoints
from srscene.sr.basicsr_shim import RRDBNet
from srscene.sr.realesrgan import package
from srscene.sr.srresnet.network import build, renamed
from srscene.sr.upscaler import find

SRRESNET = weights("msrresnet")


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
    with pytest.raises(BadInput, match=r"net.pth: no readable checkpoint"):
        checkpoints.read(tmp_path / "net.pth")
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_a_cut_file_is_refused(name: str, tmp_path: Path) -> None:
    whole = tmp_path / "whole.pth"
    torch.save(SRRESNET, whole)
    (tmp_path / name).write_bytes(whole.read_bytes()[:1000])
    with pytest.raises(BadInput, match=rf"{name}: no readable checkpoint") as error:
        checkpoints.read(tmp_path / name)
    assert "\n" not in str(error.value)


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
        ("realesrgan", "msrresnet", "no RRDBNet: expected body.0.rdb1.conv1.weight"),
        ("hat", "msrresnet", "no HAT: it has no"),
        ("spandrel", "msrresnet", "spandrel recognises no architecture"),
    ],
)
def test_another_networks_checkpoint(name: str, other: str, finding: str, tmp_path: Path) -> None:
    torch.save(weights(other), tmp_path / "other.pth")
    upscaler = find(name)
    options = upscaler.options(weights=str(tmp_path / "other.pth"))
    with pytest.raises(BadInput, match=rf"other.pth: {finding}") as error:
        upscaler.prepare(options, store(tmp_path / "p", images(3, 8, 8)), 0, tmp_path / "out")
    assert "\n" not in str(error.value)


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    upscaler = find("hat")
    with pytest.raises(BadInput, match=r"'nowhere.pth': no such file; choose fit \| official \| official-s"):
        upscaler.prepare(
            upscaler.options(weights="nowhere.pth"), store(tmp_path, images(3, 8, 8)), 0, tmp_path
        )


def test_real_esrgan_from_the_package(tmp_path: Path) -> None:
    upscaler = find("realesrgan")
    card = upscaler.prepare(upscaler.options(), store(tmp_path / "p", images(3, 8, 8)), 0, tmp_path / "out")
    assert card["parameters"] == 16_697_987
    assert card["sha256"] == package.SHA256
    state = checkpoints.read(checkpoints.weights_file(tmp_path / "out"))
    RRDBNet(3, 3).load_state_dict(state)
    assert len(package.layers()) == 351 == len(state) / 2


def test_a_package_file_of_another_length_is_refused() -> None:
    content = package.file().read_bytes()
    with pytest.raises(BadInput, match=r"33424524 bytes, expected 33424520"):
        package.parse(content + b"\0\0\0\0")
    with pytest.raises(BadInput, match=r"conv_first: flag 0x0 at byte 0, expected 0x1306b47"):
        package.parse(b"\0\0\0\0" + content)
    assert distribution(package.WHEEL).version == "1.0.1"
