"""From sources to a normalised wheel, sealed."""
