"""The section `classifier` of params.yaml."""

from typing import Annotated

from pydantic import Field

from srscene.runtime.params import Neutral, PrecisionChoice, Section

PAPER = ("resnet50", "resnet101", "resnet152", "inception_v4")
"""The paper's backbones, by timm's names."""


class ClassifierOptions(Section):
    """How the backbone is trained; units and reasons stand in params.yaml."""

    pretrained: bool
    epochs: int = Field(gt=0, le=10**5)
    batch_size: int = Field(gt=0, le=65_536)
    learning_rate: float = Field(gt=0, le=10)
    weight_decay: float = Field(ge=0, le=10)
    warmup: float = Field(ge=0, lt=1)
    crop: float = Field(gt=0, le=1)
    validate_every: int = Field(gt=0, le=10**5)
    dropout: Annotated[float, Field(ge=0, lt=1), Neutral(0.0)]
    drop_path: Annotated[float, Field(ge=0, lt=1), Neutral(0.0)]
    patience: Annotated[int | None, Field(gt=0, le=10**5), Neutral(None)]
    compile: Annotated[bool, Neutral(False)]
    precision: PrecisionChoice
