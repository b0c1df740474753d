"""RRDBNet or SRVGGNetCompact, which their weights tell apart."""

from srscene.sr.common.network_upscaler import NetworkUpscaler
from srscene.sr.common.upscaler import Seams
from srscene.sr.realesrgan.model.network import build

UPSCALER = NetworkUpscaler(build, gpu_precision="fp16", cpu_batch=2, seams=Seams(64))
