"""Many files at once from the network into the store."""
