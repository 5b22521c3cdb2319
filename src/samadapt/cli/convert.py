"""``samadapt convert``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samadapt.adapt.exchange_config import ConvertConfig
from samadapt.cli.exchange import show
from samadapt.cli.generate import make_command

if TYPE_CHECKING:
    from samadapt.adapt.exchange import Exchanged


def _run(config: ConvertConfig) -> Exchanged:
    from samadapt.adapt.exchange import convert

    return convert(config)


command = make_command(ConvertConfig, _run, arguments=("source",), show=show)
