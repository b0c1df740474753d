"""Runs a grid of cells, an experiment of DVC each."""
