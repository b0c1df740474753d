"""Measures srscene and its peers side by side, in one run, on whatever device there is."""
