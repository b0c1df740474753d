"""SeeSR: a diffusion model that sees what is in a patch (tags, image tokens) and paints its details.

Wu et al. 2024, «SeeSR: Towards Semantics-Aware Real-World Image Super-Resolution». A port of the official
code (github.com/cswry/SeeSR, commit 8edecc7, Apache-2.0) to current diffusers, timm and transformers: same
weights, same pictures.
"""

TITLE = "SeeSR"
ORDER = 3
