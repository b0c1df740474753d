"""Inputs that are damaged, hostile or huge, and processes that work on the same thing at once."""
