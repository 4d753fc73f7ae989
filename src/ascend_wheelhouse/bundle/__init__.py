"""Packing a wheelhouse for the way over the air gap: one signed file, its parts, a delta, an image layout."""
