"""MSRResNet at the size of its weights."""

from srscene.sr.common.network_upscaler import NetworkUpscaler
from srscene.sr.common.upscaler import Seams
from srscene.sr.srresnet.model.network import build

UPSCALER = NetworkUpscaler(build, gpu_precision="fp16", cpu_batch=4, seams=Seams(16))
