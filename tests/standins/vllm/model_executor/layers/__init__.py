"""An empty package: only the layers below are asked for."""
