"""Several wheelhouses in one run: which cells, made side by side, and what became of each."""
