"""What the sections `upscalers.<name>.upscale` of plain networks share; quick to import."""

from typing import Annotated

from srscene.runtime.params import Neutral, Section


class Compilable(Section):
    compile: Annotated[bool, Neutral(False)]
    """torch.compile, for each size of batch that comes."""
