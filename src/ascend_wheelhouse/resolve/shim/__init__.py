"""The folder that goes on PYTHONPATH: it must hold nothing but `sitecustomize`."""
