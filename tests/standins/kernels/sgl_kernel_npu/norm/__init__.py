"""The package's norms."""
