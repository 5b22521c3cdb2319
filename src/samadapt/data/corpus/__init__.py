"""A corpus of image and mask pairs from many datasets, in SAM-Med2D's layout, with a record of what was left out."""

from __future__ import annotations

from samadapt.data.corpus.build import Corpus, build_corpus
from samadapt.data.corpus.config import CorpusConfig, CorpusRules, CorpusSource

__all__ = ["Corpus", "CorpusConfig", "CorpusRules", "CorpusSource", "build_corpus"]
