"""Builds on other hosts: Dask hands them out, by labels. Nothing of it is imported before a farm is asked for."""
