"""Proving a bundle: signatures and the formats that carry them."""
