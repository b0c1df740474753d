"""The section `explain` of params.yaml."""

from pydantic import Field

from srscene.params import Section


class ExplainOptions(Section):
    """How many test patches the numbers average, and what the figure shows of them."""

    patches: int = Field(32, gt=0)
    batch_size: int = Field(8, gt=0)
    rows: int = Field(4, gt=0)
    columns: int = Field(4, gt=0, le=19)
