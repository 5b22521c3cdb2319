"""``samadapt unmerge``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samadapt.adapt.exchange_config import UnmergeConfig
from samadapt.cli.exchange import show
from samadapt.cli.generate import make_command

if TYPE_CHECKING:
    from samadapt.adapt.exchange import Exchanged


def _run(config: UnmergeConfig) -> Exchanged:
    from samadapt.adapt.exchange import unmerge

    return unmerge(config)


command = make_command(UnmergeConfig, _run, arguments=("source",), show=show)
