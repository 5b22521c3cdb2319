"""Typed configuration: pydantic models, YAML as their serialisation, errors that name the nearest valid key."""

from samadapt.config.base import Config, dump, load_config, merged

__all__ = ["Config", "dump", "load_config", "merged"]
