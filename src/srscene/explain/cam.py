"""Grad-CAM (Selvaraju et al. 2017) of all 19 labels, from one forward pass a batch.

pytorch-grad-cam weighs and sums the activations. Its own call runs the whole model forwards and backwards for
each label and stretches every map to 0..1; here gradients stop at the layer, so that a label costs a pass
through the head only, and maps keep their zero.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytorch_grad_cam import GradCAM
from torch import Tensor, nn

from srscene.explain.layer import Layer

Maps = NDArray[np.float32]


class ClassMaps:
    """Gives probabilities (N, 19) and maps (N, 19, h, w) ≥ 0, float32, of normalised images (N, 3, H, W).

    A map is all 0 where no part of the image speaks for the label. Freezes the model's parameters.
    """

    def __init__(self, model: nn.Module, layer: Layer) -> None:
        model.eval().requires_grad_(False)
        layer.module.register_forward_hook(_start_graph)  # before GradCAM's hooks, which need a gradient
        self.cam = GradCAM(model, [layer.module], reshape_transform=layer.reshape)

    def __call__(self, images: Tensor) -> tuple[Maps, Maps]:
        recorder = self.cam.activations_and_grads
        logits = recorder(images)
        activations = recorder.activations[0].float().numpy()
        maps = []
        for label in range(logits.shape[1]):
            recorder.gradients = []
            logits[:, label].sum().backward(retain_graph=True)
            gradients = recorder.gradients[0].float().numpy()
            maps.append(self.cam.get_cam_image(images, None, None, activations, gradients))
        return logits.detach().sigmoid().cpu().numpy(), np.maximum(np.stack(maps, 1), 0)


def _start_graph(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    return output.detach().requires_grad_().clone()  # a copy, so that what follows may work in place
