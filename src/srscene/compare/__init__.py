"""Across experiments: sweep, tables, significance, figures, the page."""
