"""All of params.yaml is looked through at once."""

import re
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srscene.check import check, fit_seed
from srscene.classify.backbone import check_backbone
from srscene.classify.options import PAPER
from srscene.runtime.console import BadInput
from srscene.runtime.params import parse
from tests.options import PARAMS, merged, written

Write = Callable[..., Path]
NUMBER = count()
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.sampled_from(
        [-1, 2**32, 10**400, 1e308, "", [], {}, "x" * 5000, "\x1b[31mred\n\u202e", {"k" * 2000: 1}]
    ),
    st.text(max_size=20),
    st.recursive(st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10),
    st.integers(1, 200).map(lambda depth: parse(b"[" * depth + b"]" * depth)),
)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(**changes: Any) -> Path:
        file = tmp_path / "params.yaml"
        file.write_text(written(merged(PARAMS, changes)))
        return file

    return write


def test_what_is_committed_is_sound(write: Write) -> None:
    assert check(write()) == PARAMS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sr": "srresnett"}, "sr: there is no 'srresnett'; did you mean 'srresnet'? known: bicubic, hat"),
        ({"dataset": "bigearth"}, "dataset: there is no 'bigearth'; did you mean 'bigearthnet'?"),
        ({"backbone": "resnet51"}, "backbone: timm knows no 'resnet51'; did you mean 'resnet50'?"),
        ({"backbone": b"resnet50"}, "backbone: Input should be a valid string, found b'resnet50'"),
        ({"seed": True}, "seed: Input should be a valid integer, found True"),
        (
            {"classifier": {"learning_rate": float("inf")}},
            "learning_rate: Input should be a finite",
        ),
        (
            {"classifier": {"learning_rate": float("nan")}},
            "learning_rate: Input should be a finite",
        ),
        ({"clasifier": {"epochs": 3}}, "clasifier: no such parameter; did you mean 'classifier'?"),
        ({"classifier": {"epoch": 3}}, "classifier.epoch: no such parameter; did you mean 'epochs'?"),
        ({"upscalers": {"hat": {"batch_size": 3}}}, "upscalers.hat.batch_size: no such parameter; known: "),
        ({"upscalers": {"hats": {}}}, "upscalers.hats: no such parameter; did you mean 'hat'?"),
        ({"upscalers": {"hat": {"weights": {"fit": {"window": 3}}}}}, "upscalers.hat.weights.fit.window: "),
        ({"upscalers": None}, "upscalers: Input should be a valid dictionary, found None"),
        ({"upscalers": {3: {}}}, "the key 3 is no name"),
        ({"datasets": {"synthetic": {"snr": 0.0}}}, "datasets.synthetic.snr: Input should be greater than 0"),
        ({"machine": {"batch_size": 0}}, "machine.batch_size"),
        ({"upscalers": {"bicubic": {"upscale": {"scale": 10**6}}}}, "upscalers.bicubic.upscale.scale: "),
        (
            {"upscalers": {"seesr": {"weights": {"turbo": True}, "upscale": {"tile": 32}}}},
            "upscalers.seesr: tile_overlap (auto, with turbo 32) must be less than tile (32); give a smaller",
        ),
    ],
)
def test_a_wrong_value_anywhere_is_found(write: Write, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=re.escape(message)) as error:
        check(write(**changes))
    assert "\n" not in str(error.value)


def test_all_problems_are_said_at_once(write: Write) -> None:
    with pytest.raises(BadInput, match=r"sr: .*; backbone: .*; seed: .*; explain.rows: .*; sead: "):
        check(write(seed=-1, explain={"rows": 0}, sr="swin", backbone="resnet51", sead=3))


def test_a_missing_section_is_named(write: Write) -> None:
    file = write()
    values = parse(file.read_bytes())
    del values["explain"]
    file.write_text(written(values))
    with pytest.raises(BadInput, match="explain: Field required"):
        check(file)


def test_the_seed_counts_for_weights_that_are_fitted() -> None:
    assert fit_seed(merged(PARAMS, {"sr": "srresnet", "seed": 3})) == 3
    assert fit_seed(merged(PARAMS, {"sr": "bicubic", "seed": 3})) is None
    assert fit_seed(merged(PARAMS, {"sr": "hat", "seed": 3})) is None


def test_the_papers_backbones_are_known_without_importing_timm() -> None:
    for name in PAPER:
        check_backbone(name)
    code = "import sys; from srscene.check import check; check(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=True)


def test_a_backbone_may_be_named_with_the_tag_of_its_weights(write: Write) -> None:
    assert check(write(backbone="resnet50.a1_in1k"))["backbone"] == "resnet50.a1_in1k"


def test_a_tag_that_timm_does_not_know(write: Write) -> None:
    with pytest.raises(BadInput, match=r"timm knows no 'resnet50\.typo'"):
        check(write(backbone="resnet50.typo"))


def spoil(section: dict[str, Any], draw: Callable[[Any], Any]) -> None:
    """Change one parameter, or one section, of those below `section`."""
    key = draw(st.sampled_from([*section]))
    found = section[key]
    if isinstance(found, dict) and found and draw(st.booleans()):
        return spoil(found, draw)
    match draw(st.sampled_from(["dropped", "renamed", "text", "list", "nested", "replaced"])):
        case "dropped":
            del section[key]
        case "renamed":
            section[draw(st.text(max_size=20))] = section.pop(key)
        case "text":
            section[key] = str(found)
        case "list":
            section[key] = [found]
        case "nested":
            section[key] = {key: found}
        case "replaced":
            section[key] = draw(VALUES)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_stands_there_is_sound_or_refused_in_a_line(tmp_path: Path, data: st.DataObject) -> None:
    values = deepcopy(PARAMS)
    for _ in range(data.draw(st.integers(1, 3))):
        spoil(values, data.draw)
    lines = written(values).splitlines()
    if data.draw(st.booleans()):
        twice = data.draw(st.integers(0, len(lines) - 1))
        lines.insert(twice, lines[twice])
    file = tmp_path / f"{next(NUMBER)}.yaml"  # what was read once is not read again
    file.write_text("\n".join(lines))
    try:
        assert fit_seed(check(file)) in (None, values["seed"])
    except BadInput as error:
        message = str(error)
        assert message.startswith(f"{file}: ")
        assert message.isprintable()
        assert len(message) <= 1500
