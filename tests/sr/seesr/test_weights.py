"""Official files in, models/upscaler out; and every way in which the files can be wrong."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from srscene.core.store import PatchStore
from srscene.runtime.console import BadInput
from srscene.sr.seesr import weights
from srscene.sr.seesr.checkpoint import conversion, sources
from srscene.sr.seesr.model import models
from srscene.sr.seesr.options import WeightsOptions
from srscene.sr.weights.locate import Card
from tests.options import section
from tests.sr import sr_data

UNET = f"{sources.UNET}/{sources.WEIGHTS}"
Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> PatchStore:
    """Some patches: SeeSR's weights depend on none."""
    return sr_data.store(tmp_path_factory.mktemp("patches"), sr_data.images(1, 16, 16))


def prepare(patches: PatchStore, source: Path | str, out: Path) -> Card:
    options = section("upscalers.seesr.weights", WeightsOptions, source=str(source))
    return weights.prepare(options, patches, 0, out, "test")


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    """A checkpoint to spoil."""
    return Path(shutil.copytree(checkpoint, tmp_path / "models"))


def test_a_folder_in_the_official_layout(patches: PatchStore, checkpoint: Path, tmp_path: Path) -> None:
    cards = [prepare(patches, checkpoint, tmp_path / name) for name in ("first", "second")]
    assert cards[0] == cards[1]
    for file in ("weights.safetensors", "configs.json", "tokenizer/vocab.json"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()

    card = cards[0]
    assert card["source"] == "folder"
    assert set(card["files"]) == set(sources.needed(turbo=False))
    assert "Apache-2.0" in card["licence"]
    assert "Open RAIL++-M" in card["licence"]
    assert str(checkpoint) not in json.dumps(card)
    stored = load_file(tmp_path / "first" / "weights.safetensors")
    assert card["parameters"] == sum(tensor.numel() for tensor in stored.values())
    assert not any("tag_encoder" in name or "lora" in name for name in stored)


def test_turbo_takes_image_attentions_from_seesr_and_the_rest_from_sd_turbo(
    copy: Path, tmp_path: Path
) -> None:
    turbo = copy / "sd-turbo" / "unet" / sources.WEIGHTS
    save_file({name: tensor + 1 for name, tensor in load_file(turbo).items()}, turbo)
    conversion.convert(copy, True, tmp_path / "out")
    stored = models.part(load_file(tmp_path / "out" / "weights.safetensors"), "unet")
    official = load_file(copy / UNET)
    assert torch.equal(stored["conv_in.bias"], official["conv_in.bias"] + 1)
    assert models.read_configs(tmp_path / "out")["turbo"]
    ours = "down_blocks.0.attentions.0.image.norm.bias"
    assert torch.equal(stored[ours], official["down_blocks.0.image_attentions.0.norm.bias"])


def test_missing_files_are_listed(patches: PatchStore, copy: Path, tmp_path: Path) -> None:
    (copy / "DAPE.pth").unlink()
    (copy / UNET).unlink()
    with pytest.raises(BadInput) as error:
        prepare(patches, copy, tmp_path / "out")
    count = len(sources.needed(turbo=False))
    assert str(error.value).startswith(
        f"{copy}: lacks 2 of {count} files: {UNET} (4.5 GB) from {sources.SEESR_PAGE}, "
        f"DAPE.pth (7 MB) from {sources.SEESR_PAGE}; put each there under its name, or set "
    )
    assert "more" not in str(error.value)


def test_no_such_folder(patches: PatchStore, tmp_path: Path) -> None:
    with pytest.raises(
        BadInput, match=r"seesr\.weights\.source: '.*/typo': no such folder; choose official or"
    ):
        prepare(patches, tmp_path / "typo", tmp_path / "out")


@pytest.mark.parametrize("turbo", [False, True])
def test_offline_says_what_to_put_where(
    patches: PatchStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turbo: bool
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens: as without a network
    options = section("upscalers.seesr.weights", WeightsOptions, turbo=turbo)
    with pytest.raises(BadInput) as error:
        weights.prepare(options, patches, 0, tmp_path / "out", "test")
    needed = sources.needed(turbo)
    files = [
        f"{path} ({sources.ABOUT.get(path, 'small')}) from {remote.page}" for path, remote in needed.items()
    ]
    assert str(error.value).startswith(
        f"{tmp_path / 'checkpoints' / 'seesr'}: lacks {len(needed)} of {len(needed)} files: "
        f"{', '.join(files[:3])} and {len(needed) - 3} more; put each there under its name"
    )
    assert "mend this and run again: " in str(error.value)
    assert "not to be downloaded (https://" in str(error.value)


@pytest.mark.parametrize("turbo", [False, True])
def test_large_files_have_a_size(turbo: bool) -> None:
    for path in sources.needed(turbo):
        assert (path in sources.ABOUT) == path.endswith((".pth", ".safetensors"))


def test_a_download_that_failed_lists_what_else_is_missing(
    patches: PatchStore, official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    (official / "DAPE.pth").unlink()
    with pytest.raises(BadInput) as error:
        prepare(patches, "official", tmp_path / "out")
    missing, why = str(error.value).split("; put each there under its name, or mend this and run again: ")
    count = len(sources.needed(turbo=False))
    assert missing == f"{official}: lacks 1 of {count} files: DAPE.pth (7 MB) from {sources.SEESR_PAGE}"
    assert why.startswith(f"{official / 'DAPE.pth'}: not there, and not to be downloaded")


def test_another_file_under_an_official_name_is_refused(
    patches: PatchStore, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    shutil.copytree(checkpoint, tmp_path / "checkpoints" / "seesr")
    (tmp_path / "checkpoints" / "seesr" / sources.RAM).unlink()  # missing as well, which matters less
    with pytest.raises(BadInput, match=r"DAPE\.pth: its sha256 is [0-9a-f]+, expected a7028be2") as error:
        prepare(patches, "official", tmp_path / "out")
    assert "\n" not in str(error.value)


@pytest.fixture
def official(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny files where the official ones would lie, as if no hash and no size were published."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(sources, "SHA256", {})
    monkeypatch.setattr(sources, "BYTES", {})
    return Path(shutil.copytree(checkpoint, tmp_path / "checkpoints" / "seesr"))


def test_unknown_hashes_are_pinned_when_first_used(
    patches: PatchStore, official: Path, tmp_path: Path
) -> None:
    card = prepare(patches, "official", tmp_path / "out")
    pins = json.loads((official / weights.PINS).read_text())
    assert pins == {path: file["sha256"] for path, file in card["files"].items()}
    assert card["files"]["DAPE.pth"]["bytes"] == (official / "DAPE.pth").stat().st_size
    assert prepare(patches, "official", tmp_path / "again") == card

    with (official / sources.RAM).open("ab") as file:
        file.write(b"more")
    with pytest.raises(BadInput, match=r"ram_swin_large_14m\.pth: its sha256 is .* as first used"):
        prepare(patches, "official", tmp_path / "out")
    assert json.loads((official / weights.PINS).read_text()) == pins


@pytest.mark.parametrize("content", ["", "<<<<<<< HEAD\n{}", "[]"])
def test_a_damaged_list_of_pins_is_named(
    patches: PatchStore, official: Path, tmp_path: Path, content: str
) -> None:
    (official / weights.PINS).write_text(content)
    with pytest.raises(BadInput, match=r"sha256\.json: .*; restore it, or delete it"):
        prepare(patches, "official", tmp_path / "out")


def test_a_damaged_file_is_not_pinned(patches: PatchStore, official: Path, tmp_path: Path) -> None:
    file = official / UNET
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match=r": damaged"):
        prepare(patches, "official", tmp_path / "out")
    file.write_bytes(whole)
    prepare(patches, "official", tmp_path / "out")


def _drop(tensors: Tensors) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if name != "conv_in.bias"}


def _widen(tensors: Tensors) -> Tensors:
    return tensors | {"conv_in.bias": torch.zeros(17)}


def _add(tensors: Tensors) -> Tensors:
    return tensors | {"extra.weight": torch.zeros(2, 3)}


@pytest.mark.parametrize(
    ("spoil", "finding"),
    [
        (_drop, "no tensor 'conv_in.bias', expected of shape 16"),
        (_widen, "tensor 'conv_in.bias' has shape 17, expected 16"),
        (_add, "unexpected tensor 'extra.weight' of shape 2×3, expected none"),
    ],
)
@pytest.mark.parametrize("network", [sources.UNET, sources.CONTROLNET])
def test_wrong_tensors_are_named(
    copy: Path, tmp_path: Path, network: str, spoil: Callable[[Tensors], Tensors], finding: str
) -> None:
    file = copy / network / sources.WEIGHTS
    save_file(spoil(load_file(file)), file)
    with pytest.raises(BadInput) as error:
        conversion.convert(copy, False, tmp_path / "out")
    assert str(error.value).startswith(f"{file}: {finding}")
    assert "\n" not in str(error.value)


def test_unet_of_plain_stable_diffusion_is_refused(copy: Path, tmp_path: Path) -> None:
    file = copy / sources.UNET / sources.CONFIG
    config = json.loads(file.read_text())
    del config["use_image_cross_attention"]
    file.write_text(json.dumps(config))
    with pytest.raises(BadInput, match=r"config\.json: .*use_image_cross_attention"):
        conversion.convert(copy, False, tmp_path / "out")


def _edit(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize(
    ("path", "changes", "finding"),
    [
        (
            f"{sources.UNET}/config.json",
            {"down_block_types": ["Nope"] * 4},
            "no network can be built from it",
        ),
        (f"{sources.UNET}/config.json", {"block_out_channels": [16, 16]}, "no network can be built from it"),
        (
            f"{sources.BASE}/text_encoder/config.json",
            {"hidden_act": "nope"},
            "no network can be built from it",
        ),
        (f"{sources.BASE}/{sources.SCHEDULER}", {"prediction_type": "v_prediction"}, "expected epsilon"),
    ],
)
def test_settings_that_fit_no_network_are_refused(
    copy: Path, tmp_path: Path, path: str, changes: dict[str, object], finding: str
) -> None:
    _edit(copy / path, **changes)
    with pytest.raises(BadInput, match=finding) as error:
        conversion.convert(copy, False, tmp_path / "out")
    assert str(error.value).startswith(f"{copy / path}: ")
    assert "\n" not in str(error.value)


def test_a_broken_tokenizer_is_refused(copy: Path, tmp_path: Path) -> None:
    folder = copy / sources.BASE / "tokenizer"
    (folder / "vocab.json").write_text("garbage")
    with pytest.raises(BadInput, match=r"tokenizer: no tokenizer can be made from it"):
        conversion.convert(copy, False, tmp_path / "out")


@pytest.mark.parametrize("network", [sources.UNET, "sd-turbo/unet"])
def test_turbo_names_the_file_that_lacks_a_tensor(copy: Path, tmp_path: Path, network: str) -> None:
    file = copy / network / sources.WEIGHTS
    lacking = "conv_in.bias" if "turbo" in network else "down_blocks.0.image_attentions.0.norm.bias"
    save_file({name: tensor for name, tensor in load_file(file).items() if name != lacking}, file)
    with pytest.raises(BadInput) as error:
        conversion.convert(copy, True, tmp_path / "out")
    assert str(error.value).startswith(f"{file}: no tensor '{lacking}'")


@pytest.mark.parametrize("path", [UNET, "ram_swin_large_14m.pth", "DAPE.pth"])
def test_cut_files_are_refused(copy: Path, tmp_path: Path, path: str) -> None:
    file = copy / path
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(BadInput) as error:
        conversion.convert(copy, False, tmp_path / "out")
    assert str(error.value).startswith(f"{file}: ")
    assert "\n" not in str(error.value)


def test_ram_as_it_was_saved_in_training(copy: Path, tmp_path: Path) -> None:
    """The tagging head under its old name, the optimizer beside the weights, modules that nobody needs."""
    conversion.convert(copy, False, tmp_path / "first")
    file = copy / "ram_swin_large_14m.pth"
    tensors = torch.load(file, weights_only=True)["model"]
    old = {name.replace("tagging_head", "vision_multi"): tensor for name, tensor in tensors.items()}
    extra = {"temp": torch.zeros(1), "visual_encoder.layers.0.blocks.1.attn_mask": torch.zeros(2, 2)}
    torch.save({"model": old | extra, "optimizer": {"state": {0: torch.zeros(3)}}, "epoch": 4}, file)
    conversion.convert(copy, False, tmp_path / "second")
    first, second = (tmp_path / name / "weights.safetensors" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_checkpoint_with_other_tags_is_refused(copy: Path, tmp_path: Path) -> None:
    file = copy / "ram_swin_large_14m.pth"
    tensors = torch.load(file, weights_only=True)["model"]
    torch.save({"model": tensors | {"label_embed": torch.zeros(37, 512)}}, file)
    with pytest.raises(BadInput, match=r"'label_embed' has 37 tags, expected 4585"):
        conversion.convert(copy, False, tmp_path / "out")
