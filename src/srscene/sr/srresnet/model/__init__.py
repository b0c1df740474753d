"""MSRResNet at the size of its weights."""

from srscene.sr.common.network_upscaler import NetworkUpscaler
from srscene.sr.srresnet.model.network import build

UPSCALER = NetworkUpscaler(build, gpu_precision="fp16", cpu_batch=4)
