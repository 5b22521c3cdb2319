"""Modules added behind or beside a module of the base network, whose own parameter names stay as they are."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from samadapt.adapt.parts import placed

NAME = "adapter"
"""Name under which an added module is registered in its host."""


def attach_after(host: nn.Module, adapter: nn.Module) -> None:
    """Let `adapter` transform the (first) output of `host`."""
    host.add_module(NAME, placed(adapter, host))
    host.register_forward_hook(_after)


def attach_beside(host: nn.Module, adapter: nn.Module) -> None:
    """Add the output of `adapter` on the input of `host` to the output of `host`."""
    host.add_module(NAME, placed(adapter, host))
    host.register_forward_hook(_beside)


def adapter_names(model: nn.Module) -> list[str]:
    """Names of the parameters of all attached modules."""
    return [name for name, _ in model.named_parameters() if f".{NAME}." in name]


# Plain functions that find the adapter through their host: a copied or unpickled model keeps its own.
def _after(host: nn.Module, arguments: tuple[Any, ...], output: Any) -> Any:
    adapter = host.get_submodule(NAME)
    return (adapter(output[0]), *output[1:]) if isinstance(output, tuple) else adapter(output)


def _beside(host: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> Tensor:
    added: Tensor = host.get_submodule(NAME)(arguments[0])
    return output + added
