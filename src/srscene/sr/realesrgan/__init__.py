"""Real-ESRGAN: networks that its authors trained on degraded photographs, a large one and two fast ones.

Wang et al. 2021, «Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data».
"""

TITLE = "RealESRGAN"
ORDER = 4
