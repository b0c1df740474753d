"""What the probabilities are worth: the paper's metrics, their intervals, curves, and a constant to beat."""
