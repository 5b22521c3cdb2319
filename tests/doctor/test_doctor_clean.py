"""No false alarms: clean fake data and real data have no errors."""

from __future__ import annotations

import pytest

from fake import flare22, folders, medsam_npz, msd, nnunet, sammed2d
from samadapt.core.errors import ConfigError, DataError
from samadapt.data.doctor import CHECKS, Diagnosis, Finding, examine, register
from samadapt.data.prepare import prepare

CLEAN = {
    "flare22": lambda root: flare22.write(root, cases=8),
    "nnunet": nnunet.write,
    "msd": msd.write,
    "hippocampus": msd.write_hippocampus,
    "sammed2d": sammed2d.write,
    "medsam-npz": medsam_npz.write,
    "kvasir": folders.write_kvasir,
    "sirst": folders.write_sirst,
    "gid": folders.write_gid,
    "dubai": folders.write_dubai,
    "dsb2018": folders.write_dsb2018,
    "spleen": folders.write_spleen,
}
# Cases a set is limited to, to be fast; all of them were examined when the thresholds were chosen.
REAL = {
    **{"hippocampus": 60, "kvasir_seg": 40, "dsb2018_nuclei": 20, "sammed2d_demo": 4, "medsam2_ct_lesion": 2},
    **{"sirst_v2": 40, "gid_mtl5": 40, "dubai_aerial": 8, "msd_spleen_crop": 1},
}
# Warnings of these checks are expected: one small object each whose mirror image happens to meet a sharp edge.
KNOWN_WARNINGS = {
    "sammed2d_demo": {"training split", "excluded"},
    "medsam2_ct_lesion": {"mirrored"},
}


@pytest.mark.parametrize("name", CLEAN)
def test_clean_fake_data(tmp_path, name):
    diagnosis = examine(CLEAN[name](tmp_path / "data"))
    assert diagnosis.examined == diagnosis.total > 0
    assert diagnosis.errors == ()
    assert diagnosis.exit_code == 0
    assert {f.check for f in diagnosis.findings if f.severity == "warning"} <= {"excluded"}


@pytest.mark.parametrize("name", REAL)
def test_clean_real_data(real_data, name):
    diagnosis = examine(real_data / name, limit=REAL[name])
    assert diagnosis.examined == REAL[name]
    assert diagnosis.errors == (), diagnosis.to_text()
    warned = {f.check for f in diagnosis.findings if f.severity == "warning"}
    assert warned <= KNOWN_WARNINGS.get(name, set())


@pytest.mark.parametrize("name", ["flare22", "sammed2d", "sirst", "gid"])
def test_a_prepared_store_is_examined_too(tmp_path, name):
    store = prepare(source=CLEAN[name](tmp_path / "data"), out=tmp_path / "store", workers=0)
    diagnosis = examine(store)
    assert diagnosis.recipe == "store"
    assert diagnosis.examined == len(store.cases)
    assert diagnosis.errors == (), diagnosis.to_text()
    assert examine(tmp_path / "store").findings == diagnosis.findings


def test_flipped_case_is_found_in_a_store(tmp_path):
    from test_doctor_injected import BAD_IMAGE, BAD_LABEL, CASE, rewrite

    root = flare22.write(tmp_path / "data", cases=6)
    for name in (BAD_IMAGE, BAD_LABEL):
        rewrite(root, name, lambda a: a[:, :, ::-1])
    for axis in ("axial", "coronal"):
        store = prepare(source=root, out=tmp_path / axis, workers=0, slice_axis=axis)
        assert [f.cases for f in examine(store).of("sides")] == [(CASE,)]


def test_findings_sort_and_count():
    one = Finding("note", "a", "x", "m", "r")
    two = Finding("error", "b", "y", "m", "r", ("y",))
    from samadapt.data.doctor.findings import in_order

    diagnosis = Diagnosis("d", "folder", 1, 2, in_order([one, two]))
    assert diagnosis.findings == (two, one)
    assert diagnosis.exit_code == 1
    assert "1 of 2 cases" in diagnosis.to_text()
    assert diagnosis.summary == "1 error, 0 warnings, 1 note"


def test_long_lists_are_cut_but_kept(tmp_path):
    from fake.writing import noisy, png

    for number in range(12):
        png(tmp_path / "images" / f"{number:02d}.png", noisy((12, 12), number))
        png(tmp_path / "masks" / f"{number:02d}.png", noisy((12, 12), 5) * 0)
    (finding,) = examine(tmp_path).of("empty label")
    assert len(finding.cases) == 12
    assert finding.where.endswith("and 2 more")


def test_registry_and_bad_paths(tmp_path):
    with pytest.raises(ConfigError, match="'sides' exists already"):
        register("sides", CHECKS["sides"])
    with pytest.raises(DataError, match="no such folder"):
        examine(tmp_path / "nowhere")
    with pytest.raises(DataError, match="not recognised"):
        examine(tmp_path)
