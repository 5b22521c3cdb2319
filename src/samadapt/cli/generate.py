"""A command from a typed configuration: every plain field is an option, its description the help text."""

from __future__ import annotations

import functools
import inspect
import json
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from samadapt.config.base import Config, dump, load_config, tagged_unions
from samadapt.core.errors import SamadaptError

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
        resolved = load_config(config, config_file, overrides or (), given)
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
    _set_signature(command, [*parameters, *_common_parameters()])
    command.__doc__ = config.__doc__
    return command


def guarded(function: Callable[..., None]) -> Callable[..., None]:
    """Print samadapt's errors as one box (or JSON) and exit with their code; Ctrl-C exits with 130."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except SamadaptError as error:
            print_error(error, as_json=bool(kwargs.get("as_json")))
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            typer.echo(
                "\nInterrupted; what was finished is kept. Run the same command with --resume to go on.", err=True
            )
            raise typer.Exit(130) from None

    return wrapper


def print_error(error: SamadaptError, *, as_json: bool) -> None:
    """Write what, where and remedy to standard error, or as JSON to standard output."""
    if as_json:
        where = None if error.where is None else str(error.where)
        kind = type(error).__name__
        typer.echo(json.dumps({"error": {"kind": kind, "what": error.what, "where": where, "remedy": error.remedy}}))
        return
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    text = Text(error.what)
    if error.where is not None:
        text.append(f"\n\nWhere: {error.where}", style="dim")
    if error.remedy:
        text.append(f"\n\n{error.remedy}", style="green")
    Console(stderr=True).print(Panel(text, title=type(error).__name__, title_align="left", border_style="red"))


def print_json(result: Any) -> None:
    """Print a result, or its `as_json()`, as one JSON document."""
    typer.echo(json.dumps(result.as_json() if hasattr(result, "as_json") else result, default=str, indent=2))


def expand_lists(command: Callable[..., None], argv: Sequence[str]) -> list[str]:
    """Let options that take several values be written ``--prompts box point:1``."""
    several = _list_options(command)
    words: list[str] = []
    current = ""
    for word in argv:
        if word.startswith("-"):
            current = word if word in several else ""
        elif current and words[-1] != current:
            words.append(current)
        words.append(word)
    return words


def _list_options(command: Callable[..., None]) -> set[str]:
    parameters = inspect.signature(command).parameters.values()
    if any(p.kind is p.POSITIONAL_ONLY or _is_argument(p) for p in parameters):
        return set()
    return {
        f"--{p.name.replace('_', '-')}" for p in parameters if "list" in str(p.annotation) and p.name != "overrides"
    }


def _is_argument(parameter: inspect.Parameter) -> bool:
    return any(isinstance(m, typer.models.ArgumentInfo) for m in getattr(parameter.annotation, "__metadata__", ()))


def _is_plain(config: type[Config], name: str, field: FieldInfo) -> bool:
    return name in tagged_unions(config) or _option_type(field.annotation) is not None


def _parameter(name: str, field: FieldInfo, positional: bool) -> inspect.Parameter:
    kind: Any = _option_type(field.annotation) or str
    if positional:
        info: Any = typer.Argument(help=field.description, show_default=False)
        optional = not field.is_required() or get_list(kind)
        annotation = Annotated[(kind | None) if optional else kind, info]
        default: Any = None if optional else inspect.Parameter.empty
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
    flag = f"--{name.replace('_', '-')}"
    declaration = f"{flag}/--no-{name.replace('_', '-')}" if kind is bool else flag
    info = typer.Option(declaration, help=field.description, show_default=_default_text(field))
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[kind | None, info], default=None
    )


def get_list(kind: Any) -> bool:
    """True if an option type takes several values."""
    return typing.get_origin(kind) is list


def _default_text(field: FieldInfo) -> str | bool:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return str(next(iter(value.model_dump().values())))
    if isinstance(value, (tuple, list)):
        return " ".join(map(str, value)) or False
    return False if value is None else str(value)


def _option_type(annotation: Any) -> Any:
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in (int, float, str, bool, Path):
        return annotation
    if origin is Literal:
        return str
    if origin is Annotated:
        return _option_type(args[0])
    if origin in (Union, types.UnionType):
        kinds = [_option_type(a) for a in args if a is not type(None)]
        return None if None in kinds or not kinds else kinds[0] if len(set(map(str, kinds))) == 1 else str
    if origin in (list, tuple):
        inner = _option_type(args[0])
        return None if inner is None or (origin is tuple and Ellipsis not in args) else list[inner]
    return None


def _common_parameters() -> list[inspect.Parameter]:
    panel = {"rich_help_panel": _CONFIG_PANEL}
    options: list[tuple[str, Any, Any]] = [
        (
            "config_file",
            Path | None,
            typer.Option("--config", "-c", help="YAML file with any of these fields.", **panel),
        ),
        ("overrides", list[str] | None, typer.Option("--set", "-s", help="key=value, nested: method.rank=8.", **panel)),
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


def _set_signature(function: Callable[..., None], parameters: Sequence[inspect.Parameter]) -> None:
    function.__signature__ = inspect.Signature(list(parameters))  # type: ignore[attr-defined]
    function.__annotations__ = {p.name: p.annotation for p in parameters}
    if hasattr(function, "__wrapped__"):
        del function.__wrapped__
