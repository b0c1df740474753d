"""The section `evaluate` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from srscene.runtime.params import Section


class EvaluateOptions(Section):
    """How probabilities become labels, and how many bootstrap resamples the intervals rest on."""

    threshold: Annotated[float, Field(gt=0, lt=1)] | Literal["tuned"]
    resamples: Annotated[int, Field(ge=100, le=10**6)]
