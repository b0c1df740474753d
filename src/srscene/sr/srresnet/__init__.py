"""SRResNet: BasicSR's MSRResNet, 16 residual blocks without batch normalisation over a bilinear base.

Ledig et al. 2017, «Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network».
"""

TITLE = "SRResNet"
ORDER = 1
