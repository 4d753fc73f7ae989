"""The only package that touches the network."""
