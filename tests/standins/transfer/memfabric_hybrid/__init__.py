"""The same engine under the name that it has in SGLang from 0.5.8 on."""

from mf_adapter import TransferEngine, create_config_store

__all__ = ["TransferEngine", "create_config_store"]
