"""What the sections `upscalers.<name>.weights.fit` share; quick to import."""

from typing import Literal

from pydantic import Field

from srscene.runtime.params import Section


class FitOptions(Section):
    steps: int = Field(gt=0, le=10**7)
    """Batches."""
    batch_size: int = Field(gt=0, le=65_536)
    """Crops a batch."""
    crop: int = Field(ge=8, le=30)
    """Side of a crop in input pixels; 30 is all that a degraded patch of 120 has."""
    learning_rate: float = Field(gt=0, le=10)
    """Of Adam, at its highest: rises over the first 5 % of the steps, then falls as a cosine."""
    precision: Literal["auto", "fp32", "bf16"]
    """auto: bf16 on a GPU and on a CPU that has it, else fp32."""
