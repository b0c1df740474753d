"""The paper's baseline: patches stay as they are."""

TITLE = "No SR"
ROLE = "floor"
