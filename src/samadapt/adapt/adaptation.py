"""What a method did to a model: which parameters learn, what is saved, whether it can be merged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from samadapt.config import Config
from samadapt.core.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from samadapt.models import SamPromptable

_SLOT = "_adaptation"


@dataclass(frozen=True)
class Method:
    """One way to adapt a model.

    Attributes
    ----------
    config : type
        Configuration class.
    insert : callable (model, config) -> None
        Adds modules to the model, in place; random initial values come from torch's global generator,
        which the caller seeds and restores.
    trainable : callable (model, config) -> iterable of str
        Names of the parameters that learn, after `insert`.
    fold : callable (model) -> None, or None
        Folds the added modules into the base weights, exactly; None where that is impossible.
    """

    config: type[Config]
    insert: Callable[[SamPromptable, Any], None]
    trainable: Callable[[SamPromptable, Any], Iterable[str]]
    fold: Callable[[SamPromptable], None] | None = None


@dataclass(eq=False)
class Adaptation:
    """A method at work in a model.

    Attributes
    ----------
    model : SamPromptable
        The adapted model (changed in place).
    config : Config
        Of the method.
    method : Method
    context : dict
        What the adapter was trained with and must be used with: window, neighbouring slices, ... (JSON-ready).
    """

    model: SamPromptable
    config: Config
    method: Method
    context: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the method."""
        return str(getattr(self.config, "method", ""))

    def trainable(self) -> list[str]:
        """Names of the parameters that learn, in the model's order."""
        return [name for name, _ in trainable_parameters(self.model)]

    def state_dict(self) -> dict[str, torch.Tensor]:
        """{name: tensor} of everything that differs from the base model, detached, on the model's device."""
        names = {*self.method.trainable(self.model, self.config), *always_learning(self.model)}
        return {name: p.detach() for name, p in self.model.named_parameters() if name in names}

    def load_state_dict(self, state: Mapping[str, torch.Tensor], *, where: object = None) -> None:
        """Copy tensors into the model.

        Raises
        ------
        CheckpointError
            If a name is missing or unexpected, or a shape differs; the model is then unchanged.
        """
        own = self.require_fit(state, where=where)
        for name, target in own.items():
            target.copy_(state[name])

    def require_fit(self, state: Mapping[str, torch.Tensor], *, where: object = None) -> dict[str, torch.Tensor]:
        """The model's own tensors, after checking that `state` has just these names and shapes.

        Raises
        ------
        CheckpointError
            If a name is missing or unexpected, or a shape differs.
        """
        own = self.state_dict()
        _require_same_names(own, state, where)
        for name, target in own.items():
            if target.shape != state[name].shape:
                raise CheckpointError(
                    f"{name} has shape {tuple(state[name].shape)}, but this model needs {tuple(target.shape)}",
                    where=where,
                    remedy="The rank, the widths or the number of classes differ: give an adapter and a base that "
                    "belong together.",
                )
        return own

    def merge(self) -> SamPromptable:
        """Fold the adaptation into the base weights; see `samadapt.adapt.merge.merge`."""
        from samadapt.adapt.merge import merge

        return merge(self.model)


def remember(model: SamPromptable, adaptation: Adaptation | None) -> None:
    """Tie an adaptation to its model (None: forget it)."""
    model.__dict__[_SLOT] = adaptation


def adaptation_of(model: SamPromptable) -> Adaptation | None:
    """The adaptation at work in a model, or None."""
    found: Adaptation | None = model.__dict__.get(_SLOT)
    return found


def require_adaptation(model: SamPromptable) -> Adaptation:
    """`adaptation_of`, or `ConfigError` for a bare model."""
    found = adaptation_of(model)
    if found is None:
        raise ConfigError("the model has no adaptation", where=model.name, remedy="Call adapt.inject first.")
    return found


def trainable_parameters(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """(name, parameter) of every parameter that requires a gradient, in the model's order."""
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]


def assert_trainable(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Check that an optimizer holds exactly the trainable parameters of a model.

    Raises
    ------
    ConfigError
        Naming parameters that would never learn, or that would be moved although they are frozen.
    """
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    forgotten = [name for name, p in trainable_parameters(model) if id(p) not in held]
    learning = {id(p) for _, p in trainable_parameters(model)}
    foreign = [name for name, p in model.named_parameters() if id(p) in held - learning]
    strangers = len(held - {id(p) for p in model.parameters()})
    if forgotten or foreign or strangers:
        raise ConfigError(
            f"the optimizer does not hold exactly the trainable parameters: "
            f"missing {_some(forgotten)}; frozen {_some(foreign)}; of another model: {strangers}",
            remedy="Build the optimizer from adapt.trainable_parameters(model), after inject and add_head.",
        )


def freeze_all_but(model: nn.Module, names: Iterable[str]) -> None:
    """Set requires_grad for exactly the named parameters."""
    wanted = set(names)
    unknown = wanted - {name for name, _ in model.named_parameters()}
    if unknown:
        raise ConfigError(f"the method names parameters that the model lacks: {_some(sorted(unknown))}")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in wanted)


def head_names(model: SamPromptable) -> list[str]:
    """Parameters of the prompt-free head, which always learn; empty without a head."""
    if model.head is None:
        return []
    from samadapt.adapt.parts import BRANCH, HEAD, named

    return named(model, *(HEAD if model.head.decoder else (BRANCH,)))


def always_learning(model: SamPromptable) -> list[str]:
    """Parameters that learn whatever the method: those of a head, and of the channels a model was widened by."""
    from samadapt.models.stem import stem_names

    return head_names(model) + stem_names(model)


def _require_same_names(own: Mapping[str, Any], given: Mapping[str, Any], where: object) -> None:
    missing, unexpected = sorted(own.keys() - given.keys()), sorted(given.keys() - own.keys())
    if missing or unexpected:
        raise CheckpointError(
            f"tensors do not fit the method: missing {_some(missing)}; unexpected {_some(unexpected)}",
            where=where,
            remedy="The weights and the description of the adapter do not belong together, or the file is damaged.",
        )


def _some(names: list[str], limit: int = 3) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(names[:limit]) + more) or "none"
