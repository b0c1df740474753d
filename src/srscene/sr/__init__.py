"""Upscalers: one folder each, named as `sr` in params.yaml, all behind `upscaler.Upscaler`."""
