"""Upscalers: one folder each, named as `sr` in params.yaml, all behind `common.upscaler.Upscaler`."""
