"""The methods by name, and `inject`, which puts one to work."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

from samadapt.adapt.adaptation import Adaptation, Method, adaptation_of, always_learning, freeze_all_but, remember
from samadapt.adapt.config import ENTRY_POINTS, ExternalConfig, FullConfig
from samadapt.adapt.specialist import require_sam
from samadapt.config import Config, load_config
from samadapt.core.errors import ConfigError

if TYPE_CHECKING:
    from samadapt.models import SamPromptable

_HOMES = {
    "lora": "samadapt.adapt.lora:METHOD",
    "adapter": "samadapt.adapt.bottleneck:METHOD",
    "sammed2d-adapter": "samadapt.adapt.sammed2d:METHOD",
    "decoder": "samadapt.adapt.decoder:METHOD",
    "full": "samadapt.adapt.full:METHOD",
    "head": "samadapt.adapt.head:METHOD",
}


def names() -> list[str]:
    """Names of all methods, those of other packages included."""
    return sorted(_homes())


def get(name: str) -> Method:
    """Method by name; its module is imported now.

    Raises
    ------
    ConfigError
        If there is no such method (the nearest name is given), or two packages registered the name.
    """
    homes = _homes()
    if name not in homes:
        near = difflib.get_close_matches(name, homes, 1, 0.4)
        raise ConfigError(
            f"no method {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
            remedy=f"Known methods: {', '.join(sorted(homes))}.",
        )
    module, _, attribute = homes[name].partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, Method):
        raise ConfigError(f"{homes[name]} is not a Method", where=name)
    return found


def parse_config(tree: dict[str, Any]) -> Config:
    """Configuration of the method that ``tree["method"]`` names."""
    return load_config(get(str(tree.get("method"))).config, values=tree)


def inject(model: SamPromptable, config: Config, *, seed: int = 0) -> Adaptation:
    """Put a method into a model, in place: add its modules, freeze everything it does not train.

    Parameters
    ----------
    model : SamPromptable
        A base model, with or without a prompt-free head; a head's parameters always learn, as do the weights of
        channels that it was widened by.
    config : MethodConfig
        LoraConfig, AdapterConfig, SamMed2dConfig, DecoderConfig, FullConfig, HeadConfig, or a registered method's own.
    seed : int
        Of the initial values of added modules.

    Returns
    -------
    Adaptation

    Raises
    ------
    ConfigError
        If the model is adapted already, the method is unknown, or the configuration does not fit the model.
    """
    from samadapt.adapt.seeded import seeded

    present = adaptation_of(model)
    if present is not None:
        raise ConfigError(
            f"the model already carries {present.name!r}",
            where=model.name,
            remedy="Load a fresh base model, or merge the adaptation first (adapt.merge.merge).",
        )
    if isinstance(config, ExternalConfig):
        config = parse_config({"method": config.method} | config.options)
    method = get(str(getattr(config, "method", "")))
    if method.config is not FullConfig:
        require_sam(model, str(getattr(config, "method", "")))
    with seeded("adapt", getattr(config, "method", ""), seed):
        method.insert(model, config)
    freeze_all_but(model, [*method.trainable(model, config), *always_learning(model)])
    adaptation = Adaptation(model, config, method)
    remember(model, adaptation)
    return adaptation


def _homes() -> dict[str, str]:
    homes = dict(_HOMES)
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        if entry.name in homes:
            raise ConfigError(
                f"two packages register the method {entry.name!r}",
                where=f"{homes[entry.name]} and {entry.value}",
                remedy="Uninstall one of them or rename its entry point.",
            )
        homes[entry.name] = entry.value
    return homes
