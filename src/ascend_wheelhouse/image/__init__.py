"""Containers: a build context on CANN's image, the same without any engine, and how to start either."""
