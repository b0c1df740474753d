"""From a trained classifier's folder and the upscaler's alone, a raw scene becomes the model's own input."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from srscene.classify.artefact import load_classifier
from srscene.classify.options import ClassifierOptions
from srscene.classify.train import train
from srscene.core.store import PatchStore
from srscene.ingest.ingest import ingest
from srscene.ingest.options import IngestOptions
from srscene.ingest.reflectance import to_rgb
from srscene.raw.examples import unpack
from srscene.runtime.machine import Machine
from srscene.runtime.params import recorded
from srscene.sr.common.names import options_of
from srscene.sr.common.upscaler import load_from_card
from srscene.sr.run import upscale_store
from srscene.sr.weights.prepare import prepare_weights
from tests.options import section

CPU = torch.device("cpu")
FIT = {"features": 8, "blocks": 1, "steps": 2, "batch_size": 1}


def test_a_real_patch_becomes_the_models_own_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    machine = section("machine", Machine)
    raw, patches, upscaler, upscaled, classifier = map(
        Path, ("raw", "patches", "upscaler", "upscaled", "model")
    )
    unpack(raw)
    ingest(raw, patches, "examples", section("datasets.examples", IngestOptions, reflectance_max=2500))
    weights_options, upscale_options = options_of("srresnet")
    fit = section("upscalers.srresnet.weights", weights_options, source="fit", fit=FIT)
    prepare_weights("srresnet", fit, PatchStore(patches), 0, upscaler, "test")
    options = section("upscalers.srresnet.upscale", upscale_options, precision="fp32")
    upscale_store("srresnet", options, machine, PatchStore(patches), upscaler, upscaled, "test")
    short = section("classifier", ClassifierOptions, epochs=1, crop=0.1, precision="fp32")
    train(PatchStore(upscaled), "resnet18", short, 0, machine, classifier, Path("training.csv"), "test")
    store = PatchStore(upscaled)
    expected = {name: store[index] for index, name in enumerate(store.names)}

    for made_on_the_way in (patches, upscaled):
        for file in made_on_the_way.iterdir():
            file.unlink()
    _, card = load_classifier(classifier, CPU)
    assert card.images["dataset"] == "examples"
    upscale = load_from_card(card.images, upscaler, CPU)
    for name, picture in expected.items():
        files = [next(raw.rglob(f"{name}_{band}.tif")) for band in card.images["bands"]]
        image = to_rgb([rasterio.open(file).read(1) for file in files], card.images["reflectance_max"])
        found = upscale(torch.from_numpy(image)[None], [name])[0].numpy()
        np.testing.assert_array_equal(found, picture)
        assert found.shape[0] == card.image_size
    of_weights = json.loads((upscaler / "card.json").read_text())
    assert of_weights["sr"] == card.images["sr"] == "srresnet"
    assert of_weights["options"] == recorded(fit)
