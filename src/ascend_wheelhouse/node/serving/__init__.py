"""Starting and asking a server on a node."""
