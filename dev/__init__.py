"""What we do to srscene, rather than what it is."""
