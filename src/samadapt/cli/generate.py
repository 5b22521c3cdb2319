"""A command from a typed configuration: every plain field is an option, its description the help text."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from samadapt.cli.show import guarded, print_json
from samadapt.config.base import Config, dump, known_keys, load_config, tagged_unions

C = TypeVar("C", bound=Config)
Result = Any
_CONFIG_PANEL = "Configuration"


def make_command(
    config: type[C],
    run: Callable[[C], Result],
    *,
    arguments: Sequence[str] = (),
    show: Callable[[Result], None] | None = None,
    exit_code: Callable[[Result], int] = lambda _: 0,
    config_path: Callable[[Path], Path] = lambda given: given,
) -> Callable[..., None]:
    """Function for typer whose options are the fields of `config`.

    Parameters
    ----------
    config : type of Config
    run : callable
        Does the job; receives the resolved configuration.
    arguments : sequence of str
        Fields that are positional on the command line.
    show : callable, optional
        Prints the result for people. With ``--json`` the result's `as_json` or itself is printed instead.
    exit_code : callable
        0, or 1 where the result says so.
    config_path : callable
        File for what was given as ``--config``, which may be a name.
    """

    @guarded
    def command(
        config_file: Path | None = None,
        overrides: list[str] | None = None,
        show_config: bool = False,
        as_json: bool = False,
        **values: Any,
    ) -> None:
        tagged = tagged_unions(config)
        given = {f"{k}.{k}" if k in tagged else k: v for k, v in values.items() if v not in (None, [], ())}
        file = config_path(config_file) if config_file is not None else None
        resolved = load_config(config, file, overrides or (), given)
        if show_config:
            typer.echo(dump(resolved), nl=False)
            return
        result = run(resolved)
        if as_json:
            print_json(result)
        elif show is not None:
            show(result)
        raise typer.Exit(exit_code(result))

    parameters = [_parameter(n, f, n in arguments) for n, f in config.model_fields.items() if _is_plain(config, n, f)]
    _set_signature(command, [*parameters, *_common_parameters(config)])
    command.__doc__ = config.__doc__
    return command


def _is_plain(config: type[Config], name: str, field: FieldInfo) -> bool:
    return name in tagged_unions(config) or _option_type(field.annotation) is not None


def _parameter(name: str, field: FieldInfo, positional: bool) -> inspect.Parameter:
    kind: Any = _option_type(field.annotation) or str
    text = _plain_text(field.description)
    default: Any = None
    if positional:
        required = field.is_required() and not get_list(kind)
        annotation: Any = Annotated[kind if required else kind | None, typer.Argument(help=text, show_default=False)]
        default = inspect.Parameter.empty if required else None
    else:
        help_text = f"{text} [dim]\\[{_plain_text(_default_text(field))}][/dim]"
        info = typer.Option(_flag(name, field, kind), help=help_text, show_default=False, metavar=_metavar(kind))
        annotation = Annotated[kind | None, info]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _flag(name: str, field: FieldInfo, kind: Any) -> str:
    """A switch that is off by default needs no ``--no-`` form; ``-s name=false`` says the same."""
    flag = f"--{name.replace('_', '-')}"
    return f"{flag}/--no-{flag[2:]}" if kind is bool and field.default is not False else flag


def _metavar(kind: Any) -> str | None:
    if kind is bool:
        return None
    inner: Any = typing.get_args(kind)[0] if get_list(kind) else kind
    return f"<{inner.__name__.lower()}>" + (" ..." if get_list(kind) else "")


def _plain_text(text: str | None) -> str:
    """Text whose brackets are not taken for markup."""
    return (text or "").replace("[", "\\[")


def get_list(kind: Any) -> bool:
    """True if an option type takes several values."""
    return typing.get_origin(kind) is list


def _default_text(field: FieldInfo) -> str:
    """What holds where the option is not given, after the choices if there are few."""
    choices = ", ".join(_choices(field.annotation))
    before = f"{choices}; " if choices else ""
    if field.is_required():
        return f"{before}required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        value = next(iter(value.model_dump().values()))
    if isinstance(value, (tuple, list)):
        value = " ".join(map(str, value))
    if isinstance(value, bool):
        value = "yes" if value else "no"
    return f"{before}default: {'none' if value in (None, '') else value}"


def _choices(annotation: Any) -> list[str]:
    """Values of a literal, or the names of the members of a tagged union."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return [str(value) for value in args]
    if origin is Annotated:
        return _choices(args[0])
    if origin in (Union, types.UnionType):
        return [choice for argument in args for choice in _choices(argument)]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        kinds = (field.annotation for field in annotation.model_fields.values())
        return _choices(next((kind for kind in kinds if typing.get_origin(kind) is Literal), None))
    return []


def _option_type(annotation: Any) -> Any:
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in (int, float, str, bool, Path):
        return annotation
    if origin is Literal:
        return int if all(type(value) is int for value in args) else str
    if origin is Annotated:
        return _option_type(args[0])
    if origin in (Union, types.UnionType):
        kinds = [_option_type(a) for a in args if a is not type(None)]
        return None if None in kinds or not kinds else kinds[0] if len(set(map(str, kinds))) == 1 else str
    if origin in (list, tuple):
        inner: Any = _option_type(args[0])
        return None if inner is None or (origin is tuple and Ellipsis not in args) else list[inner]
    return None


def _common_parameters(config: type[Config]) -> list[inspect.Parameter]:
    panel: dict[str, Any] = {"rich_help_panel": _CONFIG_PANEL}
    more = _set_only(config)
    also = f", these too: {', '.join(more)}" if more else ""
    options: list[tuple[str, Any, Any]] = [
        (
            "config_file",
            Path | None,
            typer.Option("--config", "-c", help="YAML file with any of these fields.", **panel),
        ),
        (
            "overrides",
            list[str] | None,
            typer.Option("--set", "-s", help=f"Any field as key=value{also}.", metavar="<key=value> ...", **panel),
        ),
        (
            "show_config",
            bool,
            typer.Option("--show-config", help="Print the resolved configuration and stop.", **panel),
        ),
        ("as_json", bool, typer.Option("--json", help="Print the result as JSON.", **panel)),
    ]
    defaults = {"show_config": False, "as_json": False}
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(name, keyword, annotation=Annotated[kind, info], default=defaults.get(name))
        for name, kind, info in options
    ]


def _set_only(config: type[Config]) -> list[str]:
    """Fields that have no option: those with keys of their own, as ``name.KEY``, and lists of fixed length."""
    groups = {key.partition(".")[0] for key in known_keys(config) if "." in key}
    names = [n for n, f in config.model_fields.items() if n in groups or not _is_plain(config, n, f)]
    return [f"{name}.KEY" if name in groups else name for name in names]


def _set_signature(function: Callable[..., None], parameters: Sequence[inspect.Parameter]) -> None:
    function.__signature__ = inspect.Signature(list(parameters))  # type: ignore[attr-defined]
    function.__annotations__ = {p.name: p.annotation for p in parameters}
    if hasattr(function, "__wrapped__"):
        del function.__wrapped__
