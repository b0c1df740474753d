"""The multi-label classifier: what it is, how it is trained, what it predicts."""
