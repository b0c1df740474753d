"""The file between a classifier and its evaluation: probabilities and true labels of val and test."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from srscene.core.console import BadInput, brief
from srscene.core.labels import CLASSES
from srscene.core.outputs import whole_file
from srscene.core.store import Split


class Predictions(NamedTuple):
    """probabilities (N, 19) float32 in 0..1, labels (N, 19) uint8, names of the N patches."""

    probabilities: NDArray[np.float32]
    labels: NDArray[np.uint8]
    names: list[str]


def write(path: Path, splits: dict[Split, Predictions], attributes: dict[str, Any]) -> None:
    """Write all splits, an empty one too; the same input gives the same bytes."""
    with whole_file(path) as temporary, h5py.File(temporary, "w", libver=("v110", "v110")) as file:
        file.attrs["classes"] = json.dumps(CLASSES)
        file.attrs["attributes"] = json.dumps(attributes, sort_keys=True)
        for split, predictions in splits.items():
            group = file.create_group(split)
            names = np.array(predictions.names, dtype="S") if predictions.names else np.empty(0, "S1")
            group.create_dataset("probabilities", data=predictions.probabilities, track_times=False)
            group.create_dataset("labels", data=predictions.labels, track_times=False)
            group.create_dataset("names", data=names, track_times=False)


def read(path: Path) -> tuple[dict[str, Predictions], dict[str, Any]]:
    """Return predictions by split, and the attributes.

    Raises BadInput when the file is missing or damaged, or its classes are not those of `labels`.
    """
    if not path.exists():
        raise BadInput(f"{path}: not found; run `dvc repro predict` or `dvc pull`")
    try:
        with h5py.File(path, "r") as file:
            splits = {
                split: Predictions(
                    group["probabilities"][:],
                    group["labels"][:],
                    [name.decode() for name in group["names"][:]],
                )
                for split, group in file.items()
            }
            classes, attributes = (json.loads(file.attrs[name]) for name in ("classes", "attributes"))
    except (OSError, KeyError, ValueError) as error:
        raise BadInput(f"{path}: damaged ({brief(error)}); delete it and run `dvc repro predict`") from None
    if tuple(classes) != CLASSES:
        raise BadInput(
            f"{path}: its classes are {classes[:2]}…, expected {list(CLASSES[:2])}…; predict again"
        )
    return splits, attributes
