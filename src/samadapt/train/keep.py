"""What a run leaves for use: the best and the last adapter, or the whole model if it was made from nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from samadapt.adapt.checkpoint import save_adapter
from samadapt.adapt.specialist import save_specialist
from samadapt.models import SamPromptable
from samadapt.models.loading import save_packaged
from samadapt.models.specialists import Specialist


class Keeper:
    """Writes weights into a run folder.

    Parameters
    ----------
    folder : Path
        Run folder: ``adapter/`` is the best and ``last/`` the last adapter; for a whole model ``model/`` and
        ``model-last/``, each with float16 tensors and a JSON file that `samadapt.models.load` reads (a specialist:
        float32 tensors, for `samadapt.load_model`).
    model : SamPromptable
    context : dict
        Stored with an adapter.
    whole : bool
        The model was made from nothing, so there is no base an adapter could refer to.
    """

    def __init__(self, folder: Path, model: SamPromptable, context: dict[str, Any], *, whole: bool) -> None:
        self.folder, self.model, self.context, self.whole = folder, model, context, whole

    @property
    def best(self) -> Path:
        """Folder of the best weights."""
        return self.folder / ("model" if self.whole else "adapter")

    @property
    def last(self) -> Path:
        """Folder of the last weights."""
        return self.folder / ("model-last" if self.whole else "last")

    def keep_best(self, **facts: Any) -> None:
        """Write the present weights as the best."""
        self._write(self.best, facts)

    def keep_last(self, **facts: Any) -> None:
        """Write the present weights as the last; they are also the best where nothing else was kept."""
        self._write(self.last, facts)
        if not self.best.exists():
            shutil.copytree(self.last, self.best)

    def _write(self, folder: Path, facts: dict[str, Any]) -> None:
        if isinstance(self.model, Specialist):
            self.model.context = dict(self.context)
            save_specialist(self.model, folder, **facts)
        elif self.whole:
            save_packaged(self.model, folder, self.model.name, **facts)
        else:
            save_adapter(self.model, folder, context=self.context)
