"""Where the classifier looks: Grad-CAM in pictures and numbers."""
