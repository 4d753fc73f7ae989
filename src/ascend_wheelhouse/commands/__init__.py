"""One module a command: parsed words in, one function of the core called, the answer printed."""
