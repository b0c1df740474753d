"""All that is attacked, by name."""

from collections.abc import Callable, Iterator
from pathlib import Path

from dev.robustness import archives, downloads, params, scratch, stores, training, trees, weights
from dev.robustness.judge import Attempt

TARGETS: dict[str, Callable[[Path, int], Iterator[Attempt]]] = {
    "checkpoint .pth": weights.zipped,
    "checkpoint .pth, legacy": weights.legacy,
    "checkpoint .safetensors": weights.safetensors,
    "params.yaml, text": params.text,
    "params.yaml, values": params.values,
    "archive .tar": archives.plain,
    "archive .tar.gz": archives.gzipped,
    "archive .tar.bz2": archives.bzip2,
    "archive .tar.zst": archives.zstd,
    "tree, bands": trees.bands,
    "tree, label files": trees.labels,
    "tree, lists": trees.lists,
    "tree, metadata.parquet": trees.metadata,
    "download": downloads.hostile,
    "store": stores.shards,
    "store's index": stores.index,
    "store, compressed": stores.compressed,
    "predictions.h5": stores.predicted,
    "scratch of upscale": scratch.unfinished,
    "scratch of upscale, compressed": scratch.compressed,
    "scratch of fit": training.fitted,
    "scratch of train": training.epochs,
}
"""Each yields attempts without end, made from a seed and kept in a folder."""
