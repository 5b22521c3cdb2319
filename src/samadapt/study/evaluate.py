"""`evaluate`: a model, a store and prompts in; one run folder with rows, summary and provenance out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samadapt.config import dump, load_config
from samadapt.core.atomic import write_json, write_text
from samadapt.core.errors import DataError, PromptError
from samadapt.core.manifest import close_run, open_run, require_free
from samadapt.core.plans import ClickPlan, parse_plan
from samadapt.core.progress import progress
from samadapt.core.prompts import PromptSet
from samadapt.data.channels import require_shown
from samadapt.data.store import Store
from samadapt.metrics import convention
from samadapt.study.answers import Answer, agreement
from samadapt.study.clicking import Sessions
from samadapt.study.config import EvaluateConfig
from samadapt.study.interactive import agreement_summary, session_summary
from samadapt.study.journal import JOURNAL, Measured, joined, read_journal, write_entry
from samadapt.study.ledger import Ledger
from samadapt.study.overlays import keep_best_median_worst, save_overlay
from samadapt.study.predicting import CasePredictions, predict_case
from samadapt.study.prompting import instances_apart, load_or_draw, without_objects
from samadapt.study.rows import Row, summarise, to_csv
from samadapt.study.scoring import score_prompted, score_semantic

if TYPE_CHECKING:
    from samadapt.core.image import LabelMap
    from samadapt.models.promptable import SamPromptable


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes
    ----------
    folder : Path
        Run folder with rows.csv, summary.json, prompts/, overlays/, run.json and config.yaml.
    rows : tuple of Row
    summary : tuple of dict
        See `rows.summarise`.
    facts : dict
        What the run states about model, data and cost. "without_objects" names the cases that hold no object of any
        label, and says whether they were measured: without prompts they are, by the convention's rule for empty masks;
        with prompts they are left out.
    """

    folder: Path
    rows: tuple[Row, ...]
    summary: tuple[dict[str, Any], ...]
    facts: dict[str, Any]

    def figure(self, prompts: str, choice: str, name: str = "mean without background", figure: str = "dice") -> float:
        """Mean of one figure, e.g. ``figure("box", "predicted")``."""
        for entry in self.summary:
            if (entry["prompts"], entry["choice"], entry["name"], entry["figure"]) == (prompts, choice, name, figure):
                return float(entry["mean"])
        raise DataError(f"nothing was measured for {prompts}, {choice}, {name}, {figure}", where=self.folder)

    def as_json(self) -> dict[str, Any]:
        """Folder, summary and the cases without objects, for ``--json``."""
        without = self.facts["without_objects"]
        return {"folder": str(self.folder), "summary": list(self.summary), "without_objects": without}


def evaluate(config: EvaluateConfig | None = None, **fields: Any) -> Evaluation:
    """Measure a model on a prepared store.

    Parameters
    ----------
    config : EvaluateConfig, optional
        Or its fields as keywords: ``evaluate(model="tiny", data="store", prompts=["box"], out="run")``.

    Returns
    -------
    Evaluation

    Raises
    ------
    ConfigError
        If a field is unknown or does not fit, or a case lacks a channel that the model is shown.
    DataError
        If the split is empty, or nothing in it is labelled and prompts are to be drawn from labels.
    PromptError
        If prompts given for reuse belong to another store.
    CheckpointError
        If prompt-free segmentation is asked of a model without a semantic head.
    """
    config = config or load_config(EvaluateConfig, values=fields)
    convention(config.convention)
    store = Store.open(config.data)
    taken = store.split(config.split)[: config.max_cases]
    cases = _measurable(store, taken, config)
    plain = config.model_dump(mode="json", exclude={"out", "resume", "batch_size", "device"})
    require_free(config.out, "evaluate", plain, resume=config.resume)
    began = time.perf_counter()
    model = _load(config)
    require_shown(store, cases, model.channels)
    manifest = open_run(config.out, "evaluate", plain, resume=config.resume)
    write_text(config.out / "config.yaml", dump(config))
    prompt_sets = _prompt_sets(store, cases, config)
    ledger = Ledger(config.out, config.conventions, store.label_set.names, store.label_set.ignore)
    found = joined(list(_measure(model, store, cases, prompt_sets, config, ledger)))
    rows, summary = found.rows, _summary(found, config)
    _write(config.out, found, summary)
    ledger.write([store.cases[case].name for case in cases])
    keep_best_median_worst(config.out, rows, config.prompts[0])
    told = prompt_sets | dict(found.sessions)
    facts = _facts(model, store, taken, told, config) | _cost(rows, store, cases, time.perf_counter() - began)
    facts |= {"predicted_iou": agreement(a for a in found.answers if a.candidate == 0)} if found.answers else {}
    close_run(config.out, manifest, facts=facts)
    (config.out / JOURNAL).unlink(missing_ok=True)
    return Evaluation(config.out, tuple(rows), tuple(summary), facts)


def _summary(found: Measured, config: EvaluateConfig) -> list[dict[str, Any]]:
    entries = summarise(found.rows, config.seed)
    for plan in _plans(config):
        entries += session_summary(found.rows, found.answers, plan, config.targets, config.seed)
    return entries + agreement_summary(found.answers, dict.fromkeys(answer.prompts for answer in found.answers))


def _write(out: Path, found: Measured, summary: list[dict[str, Any]]) -> None:
    write_text(out / "rows.csv", to_csv(found.rows))
    if found.answers:
        write_text(out / "answers.csv", to_csv(found.answers, Answer))
    for policy, said in found.sessions.items():
        write_text(out / "prompts" / f"{policy.replace(':', '-')}.json", said.to_json())
    write_json(out / "summary.json", summary)


def _plans(config: EvaluateConfig) -> list[ClickPlan]:
    return [plan for plan in map(parse_plan, config.prompts) if plan is not None]


def _measurable(store: Store, taken: list[int], config: EvaluateConfig) -> list[int]:
    """The cases that hold something to prompt for; all of them where no prompts are needed."""
    if not taken:
        raise DataError(
            f"the split {config.split!r} holds no case", where=config.data, remedy="Choose another --split."
        )
    if "none" in config.prompts:
        return taken
    bare = set(without_objects(store, taken))
    if len(bare) == len(taken):
        which, more = (f" among the first {len(taken)}", " or a higher --max-cases") if config.max_cases else ("", "")
        raise DataError(
            f"no case{which} of the split {config.split!r} has a labelled object to draw prompts from",
            where=config.data,
            remedy=f"Check the labels with samadapt doctor, or choose another --split{more}.",
        )
    return [case for case in taken if case not in bare]


def _load(config: EvaluateConfig) -> SamPromptable:
    from samadapt.adapt.load import load_model
    from samadapt.infer.semantic import require_head
    from samadapt.models.device import choose_device
    from samadapt.models.hq import choose_token

    model = load_model(config.model, config.image_size, config.adapter, channels=config.channels)
    model = model.to(choose_device(config.device)).eval()
    choose_token(model, config.hq_token_only)
    if "none" in config.prompts:
        require_head(model)
    if model.head is not None and set(config.prompts) != {"none"}:
        raise PromptError(
            "this model is prompt-free: its mask tokens are classes, not answers to prompts",
            where=config.model,
            remedy="Measure it with --prompts none.",
        )
    return model


def _prompt_sets(store: Store, cases: list[int], config: EvaluateConfig) -> dict[str, PromptSet]:
    folder = config.out / "prompts"
    policies = [policy for policy in config.prompts if policy != "none" and parse_plan(policy) is None]
    return {p: load_or_draw(store, cases, p, config.seed, folder, config.prompt_folder) for p in policies}


def _measure(
    model: SamPromptable,
    store: Store,
    cases: list[int],
    prompt_sets: dict[str, PromptSet],
    config: EvaluateConfig,
    ledger: Ledger,
) -> Iterator[Measured]:
    journal = config.out / JOURNAL
    finished = read_journal(journal)
    with progress("measuring", len(cases)) as advance:
        for case in cases:
            name = store.cases[case].name
            if name not in finished:
                finished[name] = _measure_case(model, store, case, prompt_sets, config, ledger)
                ledger.save(name)
                write_entry(journal, name, finished[name])
            yield finished[name]
            advance()


def _measure_case(
    model: SamPromptable,
    store: Store,
    case: int,
    prompt_sets: dict[str, PromptSet],
    config: EvaluateConfig,
    ledger: Ledger,
) -> Measured:
    if "none" in config.prompts:
        return Measured(list(_measure_semantic(model, store, case, config, ledger)))
    instances, found = instances_apart(store, case), CasePredictions()
    if prompt_sets:
        found = predict_case(model, store, case, prompt_sets, instances=instances, batch_size=config.batch_size)
    said = Sessions(model, store, case, instances, config.seed, found).hold(_plans(config))
    save_overlay(config.out, store, case, found.crops[(config.prompts[0], "model", "predicted")])
    rows = list(score_prompted(store, case, found, config.convention, ledger))
    identity = "/".join(filter(None, (model.name, model.base_hash, model.adapter_hash)))
    sessions = {p: PromptSet("ground truth", p, config.seed, store.fingerprint, s, identity) for p, s in said.items()}
    return Measured(rows, found.answers, sessions)


def _measure_semantic(
    model: SamPromptable, store: Store, case: int, config: EvaluateConfig, ledger: Ledger
) -> Iterator[Row]:
    from samadapt.infer.semantic import segment

    record = store.cases[case]
    image = store.volume(case) if record.is_volume else store.image(case, 0)
    began = time.perf_counter()
    predicted = segment(model, image, batch_size=config.batch_size)
    seconds = time.perf_counter() - began
    if config.save_predictions:
        _save_prediction(predicted, config.out / "predictions" / record.name)
    save_overlay(config.out, store, case, predicted)
    yield from score_semantic(store, case, predicted, config.convention, seconds, ledger)
    if config.test_as:
        published = segment(model, image, batch_size=config.batch_size, test_as=config.test_as)
        yield from score_semantic(store, case, published, config.convention, seconds, ledger, choice=config.test_as)


def _save_prediction(predicted: LabelMap, stem: Path) -> None:
    from samadapt.io import save_label

    suffix = ".nii.gz" if predicted.values.ndim == 3 else ".png"
    save_label(predicted, stem.with_name(stem.name + suffix))


def _facts(
    model: SamPromptable, store: Store, cases: list[int], prompt_sets: dict[str, PromptSet], config: EvaluateConfig
) -> dict[str, Any]:
    from samadapt.study.facts import model_facts

    spacings = sorted({tuple(round(s, 3) for s in store.cases[case].spacing_mm) for case in cases})[:8]
    return model_facts(model) | {
        "store": str(config.data),
        "store_fingerprint": store.fingerprint,
        "datasets": [dataset["name"] for dataset in store.datasets],
        "label_set": store.label_set.names,
        "split": config.split,
        "cases": len(cases),
        "without_objects": {
            "cases": [store.cases[case].name for case in without_objects(store, cases)],
            "measured": "none" in config.prompts,
        },
        "prompts": [
            {"policy": p, "origin": s.origin, "seed": s.seed, "hash": s.fingerprint, "n": len(s)}
            for p, s in prompt_sets.items()
        ],
        "convention": config.convention,
        "conventions": list(config.conventions),
        "spacing_mm": [list(s) for s in spacings],
        "pictures": not any(store.cases[case].is_volume for case in cases),
        "seed": config.seed,
    }


def _cost(rows: list[Row], store: Store, cases: list[int], seconds: float) -> dict[str, Any]:
    from samadapt.models.device import peak_memory_mb

    model_seconds = sum({row.case: row.seconds for row in rows}.values())
    slices = sum(store.cases[case].shape[0] for case in cases)
    return {
        "seconds_total": round(seconds, 2),
        "seconds_per_slice": round(model_seconds / max(slices, 1), 5),
        "peak_memory_mb": peak_memory_mb(),
    }
