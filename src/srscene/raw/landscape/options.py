"""The section of params.yaml that says what synthetic landscapes are made, and how they are seen."""

from typing import Annotated, Literal

from pydantic import Field

from srscene.runtime.params import Section, Seed


class SyntheticOptions(Section):
    """`datasets.synthetic`. Ingestion, too, reads the last two, of which `on_error` is its own."""

    seed: Seed
    train: Annotated[int, Field(ge=1)]
    val: Annotated[int, Field(ge=0)]
    test: Annotated[int, Field(ge=0)]
    label_share: Annotated[float, Field(gt=0, lt=0.5)]
    mtf_nyquist: Annotated[float, Field(gt=0, lt=1)]
    snr: Annotated[float, Field(gt=0, le=100_000)]
    reflectance_max: Annotated[int, Field(ge=1, le=10_000)]
    on_error: Literal["stop", "skip"]
