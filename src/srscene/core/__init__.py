"""What the bytes mean: stores, codec, classes, predictions, number formats, tables."""
