"""Entry point of ``samadapt``. Only the chosen command's module is imported, so help is instant."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from samadapt.cli.words import expand_lists
from samadapt.version import __version__

COMMANDS = {
    "demo": "Run the whole job on generated CT phantoms, or on a folder of yours, and write one page.",
    "synth": "Generate labelled CT phantoms in FLARE22's layout, or random scenes.",
    "datasets": "List the dataset recipes with licence, citation and how to get the data.",
    "prepare": "Turn a folder of images and labels into a prepared store.",
    "corpus": "Turn many datasets into one corpus of image and mask pairs, with statistics.",
    "doctor": "Look for what ruins training in a store or a folder; exit code 1 if something does.",
    "models": "List the models that can be loaded, with licence and size.",
    "inspect": "Say which model a checkpoint file or folder is, from its tensors alone.",
    "convert": "Write a model in another layout: original file, transformers folder, adapter; checked.",
    "merge": "Fold an adapter into its base model; checked.",
    "unmerge": "Take a merged adapter out again: base and adapter; checked.",
    "evaluate": "Measure a model on a store, with prompts drawn from the truth or without any.",
    "score": "Score label maps that any program has written, as evaluate does its own.",
    "sweep": "Measure every combination of prompts, models, sizes, phases and mask choices.",
    "scaling": "Train on growing parts of the training split and draw the curve.",
    "train": "Adapt a model to a store.",
    "recipes": "List the published trainings that train -c NAME repeats.",
    "predict": "Segment an image, a volume or a folder.",
    "study": "Run a published study from its data to one page with the published table beside its own.",
    "export-nnunet": "Write a store in the raw format of nnU-Net, to compare with it.",
    "compare": "Compare methods on the same cases and prompts: intervals, paired tests, cost, published figures.",
    "auto": "Segment everything in an image, or in each of a folder, with a grid of points.",
    "report": "Write one HTML page, CSV and Markdown tables from run folders.",
}

EPILOG = "Exit codes: 0 done, 1 something was found or failed, 2 wrong usage or input, 130 interrupted (resumable)."


def build(chosen: str | None) -> typer.Typer:
    """Typer application in which only the command `chosen` has its options."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        epilog=EPILOG,
        help="Adapt segment-anything models to medical and scientific images, with figures that can be trusted.",
    )
    app.callback()(_root)
    for name, text in COMMANDS.items():
        function = _command(name) if name == chosen else _placeholder
        app.command(name, help=text)(function)
    return app


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    chosen = next((word for word in arguments if word in COMMANDS), None)
    app = build(chosen)
    if chosen is not None:
        arguments = expand_lists(_command(chosen), arguments)
    app(args=arguments, prog_name="samadapt")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"samadapt {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def _command(name: str) -> Callable[..., None]:
    """The function of a command, from its own module."""
    module = importlib.import_module(f"samadapt.cli.{name.replace('-', '_')}")
    function: Callable[..., None] = module.command
    return function


def _placeholder() -> None:
    pass
