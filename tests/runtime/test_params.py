import re
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from srscene.runtime import params
from srscene.runtime.console import BadInput

TEXT = """
sr: hat
backbone: resnet50
seed: 3
upscalers:
  none: {}
  hat: {tile: 64, precision: auto}
classifier: {learning_rate: 1e-3}
"""


class Hat(params.Section):
    tile: int = Field(ge=1)
    precision: Literal["auto", "fp32"] = "auto"
    overlap: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"


class Classifier(params.Section):
    learning_rate: float


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(TEXT)
    return path


def test_values_and_sections(file):
    assert params.read("seed", int, file) == 3
    assert params.read("upscalers.hat", Hat, file) == Hat(tile=64, precision="auto")
    assert params.read("upscalers.${sr}", Hat, file).tile == 64


HAT = "upscalers.${sr}"


@pytest.mark.parametrize(
    ("old", "new", "key", "kind", "message"),
    [
        ("tile: 64", "tyle: 64", HAT, Hat, "upscalers.hat.tile: Field required"),
        (
            "tile: 64",
            "tile: 64, tyle: 64",
            HAT,
            Hat,
            "upscalers.hat.tyle: no such parameter; did you mean 'tile'? known: tile, precision, overlap",
        ),
        (
            "tile: 64",
            "tile: large",
            HAT,
            Hat,
            "upscalers.hat.tile: Input should be a valid integer, found 'large'",
        ),
        ("tile: 64", "tile: 64.5", HAT, Hat, "found 64.5"),
        ("tile: 64", "tile: true", HAT, Hat, "found True"),
        ("tile: 64", "tile: 0", HAT, Hat, "should be greater than or equal to 1, found 0"),
        ("auto", "bf61", HAT, Hat, "upscalers.hat.precision: Input should be 'auto' or 'fp32', found 'bf61'"),
        ("sr: hat", "sr: swin", HAT, Hat, "no parameter 'upscalers.swin'; known: none, hat"),
        (
            "seed: 3",
            "sead: 3",
            "seed",
            int,
            "no parameter 'seed'; did you mean 'sead'? known: sr, backbone, sead",
        ),
        ("seed: 3", "seed: text", "seed", Classifier, "found 'text'"),
        ("seed: 3", "seed: 3", "classifier", Classifier, "(YAML reads 1e-3 as text: write 1.0e-3)"),
        ("seed: 3", "seed: 3", "seed.deep", int, "no parameter 'seed.deep'"),
        ("seed: 3", "seed: -1", "seed", params.Seed, "seed: Input should be greater than or equal to 0"),
        ("seed: 3", "seed: true", "seed", params.Seed, "seed: Input should be a valid integer, found True"),
        ("seed: 3", "seed: 2.0", "seed", params.Seed, "seed: Input should be a valid integer, found 2.0"),
        ("seed: 3", "seed: 4294967296", "seed", params.Seed, "should be less than 4294967296"),
        ("1e-3", ".nan", "classifier", Classifier, "Input should be a finite number, found nan"),
        ("1e-3", ".inf", "classifier", Classifier, "Input should be a finite number, found inf"),
        (
            "tile: 64",
            "tile: 64, overlap: -1",
            HAT,
            Hat,
            "upscalers.hat.overlap: Input should be 'auto', found -1",
        ),
    ],
)
def test_a_mistake_is_one_line_with_file_key_and_finding(file, old, new, key, kind, message):
    file.write_text(TEXT.replace(old, new))
    with pytest.raises(BadInput, match=re.escape(message)) as error:
        params.read(key, kind, file)
    assert str(error.value).startswith(f"{file}: ")
    assert "\n" not in str(error.value)


def test_no_file(tmp_path):
    with pytest.raises(BadInput, match=r"params\.yaml: not found; run from the top folder"):
        params.read("seed", int, tmp_path / "params.yaml")


@pytest.mark.parametrize("text", ["", "- 1\n- 2\n", "hello"])
def test_no_mapping(file, text):
    file.write_text(text)
    with pytest.raises(BadInput, match="expected a mapping at the top"):
        params.read("seed", int, file)


def test_broken_yaml_is_one_line(file):
    file.write_text("seed: [1, 2\nsr: {")
    with pytest.raises(BadInput) as error:
        params.read("seed", int, file)
    assert str(error.value).startswith(f"{file}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("seed: 1\nseed: 2\n", r"damaged \(line 2: the key 'seed' stands there a second time\)"),
        ("a: {b: 1, b: 2}\n", "line 1: the key 'b' stands there a second time"),
        ("1: 2\n", "line 1: the key 1 is no name"),
        ("a: " + "[" * 5000, "damaged .*recursion"),
        ("a: 2001-99-99", "month must be in"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("#" * 1_000_001, "1 MB, expected at most 1 MB"),
    ],
)
def test_what_yaml_takes_in_silence_or_stumbles_over_is_one_line(file, text, found):
    file.write_text(text)
    with pytest.raises(BadInput, match=rf"params\.yaml: .*{found}") as error:
        params.read("seed", int, file)
    assert str(error.value).isprintable()


def test_merge_keys_and_aliases_are_yaml(file):
    file.write_text("x: &a {k: 1}\ny: {<<: *a, z: 1}\n")
    assert params.load(file)["y"] == {"k": 1, "z": 1}


def test_a_key_that_is_no_word_is_named(file):
    file.write_text(TEXT.replace("tile: 64", "tile: 64, 'a b.c': 1"))
    with pytest.raises(BadInput, match=r"upscalers\.hat\.a b\.c: no such parameter; known: tile"):
        params.read(HAT, Hat, file)


def test_sections_do_not_change(file):
    with pytest.raises(ValueError, match="frozen"):
        params.read("upscalers.hat", Hat, file).tile = 32  # type: ignore[misc]


class Fit(params.Section):
    steps: int
    noise: Annotated[float, Field(ge=0), params.Neutral(0.0)]


class Options(params.Section):
    scale: int
    compile: Annotated[bool, params.Neutral(False)]
    patience: Annotated[int | None, Field(gt=0), params.Neutral(None)]
    fit: Fit


OPTIONS = st.builds(
    Options,
    scale=st.integers(0, 1),
    compile=st.booleans(),
    patience=st.none() | st.integers(1, 3),
    fit=st.builds(Fit, steps=st.integers(0, 1), noise=st.sampled_from([0.0, 0.5])),
)


@given(OPTIONS)
def test_what_is_recorded_tells_options_that_differ_from_their_neutral_value(options: Options) -> None:
    found = params.recorded(options)
    assert {"scale", "fit"} <= found.keys()
    assert ("compile" in found, "patience" in found) == (options.compile, options.patience is not None)
    assert ("noise" in found["fit"]) == bool(options.fit.noise)
    flat = found | {"fit": params.restored(Fit, found["fit"])}
    assert Options.model_validate(params.restored(Options, flat)) == options


@pytest.mark.parametrize("values", [None, [], "scale"])
def test_what_is_no_record_of_options_is_left_to_who_checks_it(values: object) -> None:
    assert params.restored(Options, values) == values
