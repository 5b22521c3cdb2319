"""Hearts: muscles in the pool count to it, also where they have grown together with the wall."""

import numpy as np

from samadapt.data.synthetic.anatomy import heart


def test_muscles_in_the_pool_belong_to_it():
    bright = []
    for seed in range(60):
        layout = heart(np.random.default_rng(seed), 128)
        pool = max(layout.of("vessel"))  # painted last
        parts = layout.parts(pool)
        assert parts in layout.objects
        assert {layout.materials[number] for number in parts - {pool}} <= {"muscle"}
        bright.append((layout.regions == pool).sum() / np.isin(layout.regions, list(parts)).sum())
    assert min(bright) < 0.6 < 0.95 < max(bright)
    assert 0.15 < np.mean(np.array(bright) < 0.75) < 0.65
