import re
from pathlib import Path
from typing import Annotated, Literal

import pytest
from dvc.utils.serialize import load_yaml
from hypothesis import HealthCheck, given, settings
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
        (
            "auto",
            "fp23",
            HAT,
            Hat,
            "upscalers.hat.precision: there is no 'fp23'; did you mean 'fp32'? known: auto, fp32",
        ),
        ("sr: hat", "sr: swin", HAT, Hat, "no parameter 'upscalers.swin'; known: none, hat"),
        (
            "seed: 3",
            "sead: 3",
            "seed",
            int,
            "no parameter 'seed'; did you mean 'sead'? known: sr, backbone, sead",
        ),
        ("seed: 3", "seed: text", "seed", Classifier, "found 'text'"),
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
        ("a: 0\nb: 0x" + "f" * 5000, r"damaged \(line 2: a number of 5002 digits\)"),
        ("a: " + "9" * 5000, "line 1: a number of 5000 digits"),
        ("a: [1, 2\nb: {", "line 2: "),
        ("a: &a [x]\nb: &b [*a, *c]", "line 2: found undefined alias"),
        ("a: " + "[" * 5000, "damaged "),
        ("a: -_", "invalid literal"),
        ("a: !!bool maybe", "maybe"),
        ("a: \0", "unacceptable character"),
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


def test_no_value_is_printed_that_aliases_made_huge(file):
    lists = [f"a{depth}: &a{depth} [{', '.join([f'*a{depth - 1}'] * 10)}]" for depth in range(1, 10)]
    file.write_text("\n".join(["a0: &a0 [x]", *lists, "b: {k: *a9, k: 1}"]))
    with pytest.raises(BadInput, match="line 11: the key 'k' stands there a second time"):
        params.load(file)


AWKWARD = [
    "", "010", "0o17", "0x1F", "1_000", "1:30", "-_",
    "1e-4", "1E5", "+.5e+3", ".inf", ".NaN", "yes", "No", "TRUE",
    "null", "~", "'010'", '"1e-4"', "<<", "=", "*a", "&a 1", "|\n 1", "2001-01-01", "2001-99-99", "!!str 010",
    "!!int x", "!!bool maybe",
]  # fmt: skip
SCALARS = st.one_of(
    st.sampled_from(AWKWARD),
    st.text("0123456789", min_size=1, max_size=30),
    st.text("0189abefoxnul_+-.:~TtE'\" \\", max_size=8),
    st.text(max_size=8),
)
"""As they stand in a file."""


def in_brackets(inner):
    """Lists and mappings, as they stand in a file."""
    pairs = st.tuples(SCALARS, inner).map(": ".join)
    return st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]") | st.lists(
        pairs, max_size=3
    ).map(lambda parts: f"{{{', '.join(parts)}}}")


FRAMES = ["%s", "a: %s", "a: 1\nb: %s\na: 2", "x: &a {k: 1}\ny: {<<: *a, z: %s}", "%%YAML 1.1\n---\na: %s"]
DOCUMENTS = st.builds(str.__mod__, st.sampled_from(FRAMES), st.recursive(SCALARS, in_brackets, max_leaves=6))
MARKS = st.text("ab01 \n\r\t{}[]:,-&*<!|>#%?'\"\\.~\ufeff\x85", max_size=20)


def theirs(file: Path) -> str | None:
    """Return what DVC reads, as text that tells 1 from 1.0 and True; None where it refuses the file."""
    try:
        return repr(load_yaml(file))
    except Exception:
        return None


@pytest.mark.filterwarnings("ignore:::ruamel")
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DOCUMENTS | MARKS)
def test_what_dvc_puts_into_its_keys_is_what_a_run_reads(file, text):
    file.write_bytes(text.encode())
    why = ""
    try:
        ours = repr(params.parse(file.read_bytes()) or {})
    except ValueError as error:
        ours, why = None, str(error)
    assert ours == theirs(file) or why.endswith("is no name")


def test_yaml_is_of_version_1_2(file):
    file.write_text("a: 010\nb: yes\nc: 1e-4\nx: &a {k: 1}\ny: {<<: *a, z: 1}\n")
    assert params.load(file) == {"a": 10, "b": "yes", "c": 1e-4, "x": {"k": 1}, "y": {"k": 1, "z": 1}}


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
