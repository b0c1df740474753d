"""Bicubic interpolation, the control: it tells super-resolution from mere enlargement."""

TITLE = "Bicubic"
ROLE = "control"
