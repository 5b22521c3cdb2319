"""Configurations of `convert`, `merge` and `unmerge`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from samadapt.config import Config

Layout = Literal["meta", "transformers"]


class ConvertConfig(Config):
    """Write a model, or the adapter it carries, in another layout, and compare the answers."""

    source: str = Field(description="Model name, checkpoint file, transformers folder, adapter folder or run folder.")
    adapter: Path | None = Field(None, description="Adapter folder or published adapter file to put into the source.")
    to: Literal["meta", "transformers", "adapter"] = Field(
        description="meta: one file in the original layout; transformers: a folder; adapter: a samadapt adapter folder."
    )
    out: Path = Field(description="File (.pth, .pt or .safetensors) or folder to write.")
    image_size: int | None = Field(None, description="Side of the model's square input in pixels.")


class MergeConfig(Config):
    """Fold an adapter into its base, write one model, and compare the answers."""

    source: str = Field(description="Adapter folder, run folder, or with --onto a published adapter file.")
    onto: str | None = Field(
        None, description="Base model, where the adapter does not know or no longer finds its own."
    )
    image_size: int | None = Field(None, description="Side of the input in pixels, for a published adapter file.")
    to: Layout = Field("meta", description="meta: one file in the original layout; transformers: a folder.")
    out: Path = Field(description="File (.pth, .pt or .safetensors) or folder to write.")


class UnmergeConfig(Config):
    """Take an adapter out of a merged model: the base and the adapter again, and compare the answers."""

    source: Path = Field(description="What merge wrote.")
    undo: Path | None = Field(None, description="Folder that merge left beside it, if it was moved.")
    to: Layout = Field("meta", description="meta: one file in the original layout; transformers: a folder.")
    out: Path = Field(description="File or folder of the base; the adapter goes to a folder named after it.")
