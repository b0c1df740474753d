"""One HTML page that answers whether super-resolution helped, and its figures."""
