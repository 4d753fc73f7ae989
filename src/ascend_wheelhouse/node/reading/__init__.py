"""Opens what was carried over, in every form, and gives out only bytes that a signature covers."""
