"""Reproducible, offline wheelhouses of SGLang on Ascend NPUs."""

__version__ = "0.1.0"
