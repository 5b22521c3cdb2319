"""``samadapt merge``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samadapt.adapt.exchange_config import MergeConfig
from samadapt.cli.exchange import show
from samadapt.cli.generate import make_command

if TYPE_CHECKING:
    from samadapt.adapt.exchange import Exchanged


def _run(config: MergeConfig) -> Exchanged:
    from samadapt.adapt.exchange import merge_files

    return merge_files(config)


command = make_command(MergeConfig, _run, arguments=("source",), show=show)
