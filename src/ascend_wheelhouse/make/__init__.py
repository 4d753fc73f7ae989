"""Making one wheelhouse, step by step."""
