"""The ceiling: the true 2.5 m image."""

TITLE = "Truth"
ROLE = "ceiling"
