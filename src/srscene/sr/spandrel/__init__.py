"""Any RGB super-resolution checkpoint that spandrel recognises, at the scale that it has.

spandrel knows some forty architectures (ESRGAN, SwinIR, DAT, OmniSR, SPAN, …) by their weights' names:
https://github.com/chaiNNer-org/spandrel#model-architecture-support
"""
