"""The section of params.yaml that says how a raw data set becomes 8-bit patches."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from srscene.runtime.params import Section


class IngestOptions(Section):
    """`datasets.<name>`. A reflectance of 1 is stored as 10,000."""

    reflectance_max: Annotated[int, Field(ge=1, le=10_000)]
    on_error: Literal["stop", "skip"]


class SyntheticIngestOptions(IngestOptions):
    """`datasets.synthetic`, which also holds the synthesizer's keys; the synthesizer checks those."""

    model_config = ConfigDict(extra="ignore")


def options_type(dataset: str) -> type[IngestOptions]:
    """Return the model of the data set's section."""
    return SyntheticIngestOptions if dataset == "synthetic" else IngestOptions
