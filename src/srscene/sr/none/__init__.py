"""The paper's baseline: patches stay as they are."""
