"""The multi-label classifier: backbone, training, prediction."""
