"""The classifier's model card in Markdown: what it was trained on, what it scored, what it is not good for.

Its head is the YAML that Hugging Face's hub reads.

Mitchell et al. 2019, Model Cards for Model Reporting: the sections that numbers can fill.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from srscene.core.tables import write_json
from srscene.runtime.files import whole_file
from srscene.runtime.reading import read_bytes, reading

LARGEST = 1_000_000
"""Bytes of the classifier's card."""


def write(
    card_file: Path,
    records: Sequence[Mapping[str, Any]],
    classes: Mapping[str, Any],
    test: Mapping[str, Any],
    out: Path,
) -> None:
    """Write the card to `out`, from the classifier's card.json and what `evaluate` measured.

    `records` are those of intervals.json, `classes` F2, AP and positives by class, `test` n, products and
    threshold: these three also go to a JSON file of the same name, for programs. Raises BadInput where
    card.json is missing or damaged.
    """
    with reading(card_file, "a classifier's card", "run `dvc repro train`, or `dvc pull`"):
        card = json.loads(read_bytes(card_file, LARGEST))
        text = _text(card, records, classes, test)
    with whole_file(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    write_json(out.with_suffix(".json"), test)


def _text(
    card: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
    classes: Mapping[str, Any],
    test: Mapping[str, Any],
) -> str:
    images = card["images"]
    sr, options = images.get("sr", "none"), images.get("options") or {}
    chosen = ", ".join(f"{name} {value}" for name, value in options.items())
    weights = images.get("weights") or "none"
    start = "ImageNet" if card["pretrained"] else "random"
    head = {
        "library_name": "timm",
        "pipeline_tag": "image-classification",
        "tags": ["remote-sensing", "multi-label", card["backbone"], f"sr-{sr}"],
        "datasets": [images.get("dataset")],
    }
    lines = [
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---",
        f"# {card['backbone']}, sr: {sr}",
        "",
        "A multi-label classifier of BigEarthNet's 19 land-cover classes, in `models/classifier/`.",
        "",
        "## Input",
        f"- Data set: {images.get('dataset')}; bands {', '.join(images.get('bands', ()))}; reflectance × "
        f"10,000 from 0 to {images.get('reflectance_max')} as 8 bits.",
        f"- Upscaler: {sr}{f' ({chosen})' if chosen else ''}, in {images.get('precision')}; SHA-256 of its "
        f"weights: {weights}.",
        f"- Images of {card['image_size']} × {card['image_size']} pixels; in 0..1, less {card['mean']}, over "
        f"{card['std']}.",
        "",
        "## Training",
        f"- {card['epochs']} epochs from {start} weights, on random windows of {card['window']} pixels, in "
        f"{card['precision']}.",
        *_settings(card.get("training") or {}),
        f"- Kept: epoch {card['best_epoch']}, validation macro AP {_number(card['val_macro_ap'])}.",
        "",
        f"## Results on {test['n']:,} test patches of {test['products']:,} Sentinel-2 products",
        f"A label counts as predicted from a probability of {test['threshold']:g}. *Constant* is the best "
        "prediction that looks at no image.",
        "",
        "| metric | value | 95 % interval | constant |",
        "|---|--:|--:|--:|",
        *(_row(row["metric"], row["value"], _interval(row), row["constant"]) for row in records),
        "",
        "| class | F2 | AP | test patches that have it |",
        "|---|--:|--:|--:|",
        *(_row(name, found["f2"], found["ap"], f"{found['positives']:,}") for name, found in classes.items()),
        "",
        "## Limits",
        *_limits(images.get("dataset"), classes, test),
    ]
    return "\n".join(lines) + "\n"


def _settings(training: Mapping[str, Any]) -> list[str]:
    """Return what a classifier was trained with; an older card does not say it."""
    if not training:
        return []
    chosen = ", ".join(f"{name} {training[name]}" for name in training if name not in ("train", "val"))
    return [f"- {training['train']:,} training and {training['val']:,} validation patches; {chosen}."]


def _limits(dataset: Any, classes: Mapping[str, Any], test: Mapping[str, Any]) -> list[str]:
    limits = [
        "- Intervals tell about other test patches, not about another training: `srscene compare` does, from "
        "several seeds.",
        "- It saw red, green and blue alone, in this range of reflectance; other bands, sensors and regions "
        "are outside of what was tested.",
    ]
    if dataset == "synthetic":
        limits.insert(
            0, "- Trained and tested on procedural landscapes: its scores are no proof for real ones."
        )
    if absent := [name for name, values in classes.items() if not values["positives"]]:
        limits.append(f"- Nothing is known of {', '.join(absent)}: no test patch has it.")
    if test["products"] < 2:
        limits.append("- All test patches come from one Sentinel-2 product: neighbours are alike.")
    return limits


def _row(name: str, *values: float | str | None) -> str:
    return f"| {' | '.join([name, *(v if isinstance(v, str) else _number(v) for v in values)])} |"


def _interval(record: Mapping[str, Any]) -> str:
    return "–" if record["low"] is None else f"{record['low']:.3f} – {record['high']:.3f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
