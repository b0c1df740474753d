"""HAT, the Hybrid Attention Transformer, in the sizes of its authors' checkpoints.

Chen et al. 2023, «Activating More Pixels in Image Super-Resolution Transformer».
"""

TITLE = "HAT"
ORDER = 2
