"""The file between a classifier and its evaluation: probabilities and true labels of val and test."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from srscene.core.classes import CLASSES
from srscene.core.hdf5 import MARGIN, create, decoded, open_hdf5, read_array, read_text, write_texts
from srscene.core.store import Split
from srscene.runtime.console import BadInput
from srscene.runtime.files import reserve, whole_file
from srscene.runtime.reading import reading

REMEDY = "run `dvc repro predict`, or `dvc pull`"


class Predictions(NamedTuple):
    """probabilities (N, 19) float32 in 0..1, labels (N, 19) uint8, names of the N patches."""

    probabilities: NDArray[np.float32]
    labels: NDArray[np.uint8]
    names: list[str]


def write(path: Path, splits: dict[Split, Predictions], attributes: dict[str, Any]) -> None:
    """Write all splits, an empty one too; the same input gives the same bytes."""
    with whole_file(path) as temporary:
        reserve(temporary, MARGIN + sum(_bytes(predictions) for predictions in splits.values()))
        _write(temporary, splits, attributes)


def _bytes(predictions: Predictions) -> int:
    """Return the bytes of predictions in a file, at most."""
    longest = max(map(len, predictions.names), default=0)
    return predictions.probabilities.nbytes + predictions.labels.nbytes + len(predictions.names) * longest


def _write(path: Path, splits: dict[Split, Predictions], attributes: dict[str, Any]) -> None:
    with create(path) as file:
        write_texts(
            file, {"classes": json.dumps(CLASSES), "attributes": json.dumps(attributes, sort_keys=True)}
        )
        for split, predictions in splits.items():
            group = file.create_group(split)
            names = np.array(predictions.names, dtype="S") if predictions.names else np.empty(0, "S1")
            group.create_dataset("probabilities", data=predictions.probabilities, track_times=False)
            group.create_dataset("labels", data=predictions.labels, track_times=False)
            group.create_dataset("names", data=names, track_times=False)


def read(path: Path) -> tuple[dict[str, Predictions], dict[str, Any]]:
    """Return predictions by split, and the attributes.

    Raises BadInput when the file is missing or damaged, its classes are not those of `labels`, or a value is
    no probability.
    """
    with reading(path, "predictions", REMEDY), open_hdf5(path) as file:
        splits = {
            split: Predictions(
                read_array(group["probabilities"]),
                read_array(group["labels"]),
                decoded(read_array(group["names"])),
            )
            for split, group in [*file.items()]  # begun and left, it would keep h5py's lock of this thread
        }
        classes, attributes = (json.loads(read_text(file, name)) for name in ("classes", "attributes"))
        for split, predictions in splits.items():
            _check(path, split, predictions)
    if tuple(classes) != CLASSES:
        place = next(n for n in range(len(CLASSES) + 1) if classes[n : n + 1] != list(CLASSES[n : n + 1]))
        own, expected = classes[place : place + 1], list(CLASSES[place : place + 1])
        raise BadInput(
            f"{path}: its classes are {own} from place {place + 1} on, expected {expected}; predict again"
        )
    return splits, attributes


def _check(path: Path, split: str, predictions: Predictions) -> None:
    probabilities, labels, names = predictions
    found = [(values.shape, values.dtype) for values in (probabilities, labels)]
    shape = (len(names), len(CLASSES))
    if found != [(shape, np.float32), (shape, np.uint8)] or (labels > 1).any():
        raise BadInput(f"{path}: damaged: {split} has no probabilities and labels of {shape}; {REMEDY}")
    outside = ~((probabilities >= 0) & (probabilities <= 1)).all(1)  # NaN is outside too
    if outside.any():
        raise BadInput(
            f"{path}: {split} patch {names[int(outside.argmax())]} has a value outside 0..1, expected "
            "probabilities; did training diverge? lower classifier.learning_rate and train again"
        )
