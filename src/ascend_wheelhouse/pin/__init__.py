"""From a cell to its lock: where each component comes from, at which version, with which digest."""
