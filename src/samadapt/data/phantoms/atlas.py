"""An average upper abdomen in millimetres, varied from patient to patient and painted organ by organ.

Positions are (z, y, x) about the middle of the trunk: z to the head, y to the back, x to the patient's left. They are
round figures of adult anatomy, not taken from any data set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samadapt.data.phantoms.solids import Canvas, Field, Solid, Space, Triple, ellipsoid, merged, tube

ORGANS = {
    **{1: "liver", 2: "right kidney", 3: "spleen", 4: "pancreas", 5: "aorta", 6: "inferior vena cava"},
    **{7: "right adrenal gland", 8: "left adrenal gland", 9: "gallbladder", 10: "esophagus", 11: "stomach"},
    **{12: "duodenum", 13: "left kidney"},
}
"""Label values in the order of FLARE22."""
LABEL = {name: value for value, name in ORGANS.items()}

MISSING_CHANCE = {"gallbladder": 0.12, "left adrenal gland": 0.04, "right adrenal gland": 0.04, "left kidney": 0.025,
                  "right kidney": 0.025}  # fmt: skip
"""How often an organ is absent, as after surgery."""

_CAVITY = ("visceral fat", "bowel wall", "bowel", "gas")


@dataclass(frozen=True, eq=False)
class Patient:
    """What differs from the average: absent organs, displacement (mm) and size of every organ, layers of the wall."""

    rng: np.random.Generator
    space: Space
    canvas: Canvas
    missing: frozenset[str]
    fat_mm: float

    def place(self, centre: Triple, radii: Triple, wander_mm: float = 4.0) -> tuple[Triple, Triple]:
        """Centre and radii of one organ in this patient."""
        moved = np.array(centre) + self.rng.normal(0, wander_mm, 3)
        grown = np.array(radii) * np.exp(self.rng.normal(0, 0.08, 3) + self.rng.normal(0, 0.08))
        return tuple(map(float, moved)), tuple(map(float, grown))  # type: ignore[return-value]

    def path(self, points: list[Triple], wander_mm: float = 4.0) -> NDArray[np.float64]:
        """Points of a tubular organ in this patient."""
        wander = self.rng.normal(0, wander_mm, 3) + self.rng.normal(0, 0.5 * wander_mm, (len(points), 3))
        return np.array(points, dtype=np.float64) + wander

    def widths(self, radii: list[float]) -> NDArray[np.float64]:
        """Radii along a tubular organ in this patient."""
        return np.array(radii) * np.exp(self.rng.normal(0, 0.1) + self.rng.normal(0, 0.06, len(radii)))

    def organ(self, name: str, solid: Solid, tissue: str, over: tuple[str, ...] | None = None) -> None:
        """Paint a labelled organ with its capsule of fat, unless this patient lacks it."""
        if name not in self.missing:
            self.canvas.paint(solid, tissue, LABEL[name], over=over)


def paint_patient(patient: Patient) -> None:
    """Paint everything, from the skin inwards and from the back to the front."""
    _trunk(patient)
    _lungs_and_heart(patient)
    _bowel(patient)
    _spine(patient)
    _liver(patient)
    _spleen(patient)
    _kidneys(patient)
    _vessels(patient)
    _stomach(patient)
    _pancreas_and_duodenum(patient)
    _gallbladder(patient)
    _adrenals(patient)


def _trunk(patient: Patient) -> None:
    z, y, x = patient.space.axes
    radius = (np.abs(x / np.float32(152)) ** 2.3 + np.abs(y / np.float32(108)) ** 2.3) ** np.float32(1 / 2.3)
    fat = patient.fat_mm / 125
    wall = 1.0 - fat
    cavity = wall - patient.rng.uniform(0.09, 0.13)
    canvas = patient.canvas
    canvas.paint(radius < 1.0, "skin")
    canvas.paint(radius < 0.985, "fat")
    canvas.paint(radius < wall, "muscle")
    canvas.paint((radius < wall - 0.04) & (radius > cavity + 0.03) & _rib_layer(patient, z, y, x), "muscle fat")
    canvas.paint(radius < cavity, "visceral fat")
    _ribs(patient, radius, cavity + 0.045, (z, y, x))
    _table(patient)


def _rib_layer(patient: Patient, z: Field, y: Field, x: Field) -> NDArray[np.bool_]:
    angle = np.arctan2(y, x)
    layer: NDArray[np.bool_] = np.sin(9 * angle + z / np.float32(20) + patient.rng.uniform(0, 6)) > 0.75
    return layer


def _ribs(patient: Patient, radius: Field, at: float, zyx: tuple[Field, Field, Field]) -> None:
    z, y, x = zyx
    from_back = np.abs(np.arctan2(x, y))
    height = z + np.float32(42) * from_back + np.float32(patient.rng.uniform(0, 30))
    within = np.abs((height % np.float32(30)) - 15) / np.float32(6)
    across = np.abs(radius - np.float32(at)) / np.float32(0.038)
    level = within**2 + across**2
    there = (z > -25 - 20 * (from_back > 1.2)) & (from_back < 2.1) & (from_back > 0.25)
    patient.canvas.paint((level < 1) & there, "cortex", over=("muscle", "muscle fat", "visceral fat", "fat"))
    patient.canvas.paint((level < 0.3) & there, "marrow", over=("cortex",))


def _table(patient: Patient) -> None:
    step = patient.space
    y = step.axes[1].mean((0, 2))
    x = step.axes[2].mean((0, 1))
    curve = 126 - 0.0011 * x**2 + patient.rng.uniform(0, 10)
    for offset, thickness in ((0.0, 3.0), (24.0, 3.0)):
        plate = np.abs(y[:, None] - curve[None] - offset) < thickness
        patient.canvas.paint(np.broadcast_to(plate[None], step.shape).copy(), "table", over=("air",))


def _dome(patient: Patient) -> Field:
    _, y, x = patient.space.axes
    right, left = 76 + patient.rng.normal(0, 8), 66 + patient.rng.normal(0, 8)
    domes = [h - ((x - c) ** 2 + 0.8 * (y + 5) ** 2) / np.float32(150) for h, c in ((right, -72), (left, 74))]
    dome: Field = np.maximum(np.maximum(*domes), np.float32(-5)).astype(np.float32)
    return dome


def _lungs_and_heart(patient: Patient) -> None:
    space, canvas = patient.space, patient.canvas
    dome, z = _dome(patient), space.axes[0]
    canvas.paint(z > dome, "diaphragm", over=("visceral fat",))
    canvas.paint(z > dome + 5, "lung", over=("visceral fat", "diaphragm"))
    middle = (np.abs(space.axes[2]) < 24) & (space.axes[1] > -5)
    canvas.paint(middle & (z > 40), "visceral fat", over=("lung", "diaphragm"))
    centre, radii = patient.place((112, -38, 22), (44, 46, 60), 6)
    heart = ellipsoid(space, centre, radii, (-25, 0, 0))
    canvas.paint(heart, "visceral fat", below=1.25, over=("lung", "diaphragm", "visceral fat"))
    canvas.paint(heart, "muscle", over=("visceral fat", "lung"))
    canvas.paint(heart, "blood", below=0.6, over=("muscle",))


def _bowel(patient: Patient) -> None:
    rng = patient.rng
    for _ in range(int(rng.integers(26, 44))):
        z, y, x = rng.uniform(-125, 8), rng.uniform(-78, 45), rng.uniform(-110, 110)
        if rng.random() < 0.2:
            z, y, x = rng.uniform(0, 50), rng.uniform(-70, 0), rng.uniform(60, 110)
        if y > 5 and abs(x) < 40:
            continue
        turn = rng.uniform(-60, 60, 3)
        radius = rng.uniform(9, 20)
        loop = ellipsoid(patient.space, (z, y, x), (radius, radius * 1.1, radius * rng.uniform(1, 2.4)), tuple(turn))
        patient.canvas.paint(loop, "bowel wall", over=_CAVITY)
        patient.canvas.paint(loop, "bowel", below=0.62, over=("bowel wall",))
        if rng.random() < 0.4:
            bubble = ellipsoid(patient.space, (z, y - radius * 0.35, x), (radius * 0.7, radius * 0.45, radius))
            patient.canvas.paint(bubble, "gas", over=("bowel",))


def _spine(patient: Patient) -> None:
    space, canvas, z = patient.space, patient.canvas, patient.space.axes[0]
    column = tube(space, np.array([[-400.0, 52.0, 0.0], [400.0, 56.0, 0.0]]), np.array([21.0, 21.0]), 0.85)
    canvas.paint(column, "cortex")
    canvas.paint(column, "marrow", below=0.87)
    gap = (((z + patient.rng.uniform(0, 34)) % 34) < 8)[column.window]
    canvas.paint(Solid(column.window, np.where(gap, column.level, np.float32(9))), "disc")
    for side in (-1, 1):
        line = np.array([[-400.0, 80.0, side * 32.0], [400.0, 78.0, side * 28.0]])
        canvas.paint(tube(space, line, np.array([25.0, 23.0]), 0.75), "muscle", over=("visceral fat", "muscle fat"))
        psoas = np.array([[-400.0, 45.0, side * 60.0], [-60.0, 52.0, side * 38.0], [30.0, 58.0, side * 20.0]])
        canvas.paint(tube(space, psoas, np.array([22.0, 17.0, 5.0])), "muscle", over=("visceral fat", "bowel wall"))
        crus = np.array([[20.0, 38.0, side * 15.0], [70.0, 30.0, side * 16.0]])
        canvas.paint(tube(space, crus, np.array([6.0, 6.0])), "muscle", over=("visceral fat",))
    arch = np.array([[-400.0, 76.0, 0.0], [400.0, 78.0, 0.0]])
    canvas.paint(tube(space, arch, np.array([13.0, 13.0])), "cortex")
    canvas.paint(tube(space, arch, np.array([8.5, 8.5])), "canal")
    process = ((z + 12) % 34) < 20
    spike = tube(space, np.array([[-400.0, 90.0, 0.0], [400.0, 90.0, 0.0]]), np.array([4.0, 4.0]), 2.6)
    canvas.paint(Solid(spike.window, np.where(process[spike.window], spike.level, np.float32(9))), "cortex")


def _liver(patient: Patient) -> None:
    rng, space, canvas = patient.rng, patient.space, patient.canvas
    right, right_radii = patient.place((16, -8, -76), (72 + rng.normal(0, 8), 74, 58), 5)
    left, left_radii = patient.place((36, -48, -8), (34, 30, 66 + rng.normal(0, 12)), 5)
    lobes = [ellipsoid(space, right, right_radii, (10, 0, 8)), ellipsoid(space, left, left_radii, (-12, 12, 0))]
    liver = merged(space, lobes)
    patient.organ("liver", liver, "liver", (*_CAVITY, "diaphragm"))
    hilum = np.array([right[0] - 10, right[1] + 14, right[2] + 22])
    for side in range(int(rng.integers(5, 9))):
        ends = hilum + np.array([rng.uniform(-30, 50), rng.uniform(-55, 25), rng.uniform(-60, 45)])
        middle = (hilum + ends) / 2 + rng.normal(0, 8, 3)
        branch = tube(space, np.stack([hilum, middle, ends]), np.array([6.0, 4.0, 2.0]) * (0.7 + 0.06 * side))
        canvas.paint(branch, "liver vessel", None, over=("liver",))
    for _ in range(int(rng.poisson(0.8))):
        spot = np.array(right) + rng.uniform(-0.6, 0.6, 3) * np.array(right_radii)
        size = rng.uniform(4, 18)
        canvas.paint(ellipsoid(space, tuple(spot), (size, size, size)), "liver lesion", None, over=("liver",))
    fissure = tube(space, np.array([[20.0, -85.0, left[2] - 26], [30.0, -30.0, left[2] - 22]]), np.array([3.5, 3.0]))
    canvas.paint(fissure, "visceral fat", 0, over=("liver",))


def _spleen(patient: Patient) -> None:
    rng, space = patient.rng, patient.space
    growth = float(np.exp(rng.normal(0, 0.12)))
    centre, radii = patient.place((32, 28, 94), (50 * growth, 46 * growth, 30 * growth), 4)
    spleen = ellipsoid(space, centre, radii, (22, 15, -10))
    bite = ellipsoid(space, (centre[0], centre[1] - 16, centre[2] - 36), (60.0, 36.0, 24.0), (22, 0, 0))
    patient.organ("spleen", spleen, "spleen", (*_CAVITY, "diaphragm"))
    patient.canvas.paint(bite, "visceral fat", 0, over=("spleen",))
    if rng.random() < 0.2:
        patient.canvas.paint(
            ellipsoid(space, (centre[0] - 20, centre[1] - 25, centre[2] - 20), (6, 6, 6)), "spleen", 0, over=_CAVITY
        )


def _kidneys(patient: Patient) -> None:
    rng = patient.rng
    for name, side, height in (("right kidney", -1, -34.0), ("left kidney", 1, -20.0)):
        centre, radii = patient.place((height, 46, side * 62), (53, 27, 27), 5)
        kidney = ellipsoid(patient.space, centre, radii, (side * 25, side * 10, 12))
        if name in patient.missing:
            continue
        hilum = (centre[0], centre[1] - 8, centre[2] - side * 20)
        sinus = ellipsoid(patient.space, hilum, (radii[0] * 0.45, 9.0, 17.0), (side * 25, 0, 0))
        patient.organ(name, kidney, "cortex of kidney", (*_CAVITY, "liver", "spleen", "muscle"))
        patient.canvas.paint(kidney, "kidney", None, below=0.5, over=("cortex of kidney",))
        patient.canvas.paint(sinus, "visceral fat", 0, over=("cortex of kidney", "kidney"))
        pelvis = tube(
            patient.space, np.array([hilum, (hilum[0] - 10, hilum[1], hilum[2] - side * 12)]), np.array([5, 3])
        )
        patient.canvas.paint(pelvis, "fluid", 0, over=("visceral fat",))
        if rng.random() < 0.2:
            size = rng.uniform(5, 16)
            cyst = (centre[0] + rng.normal(0, 22), centre[1] + rng.normal(0, 10), centre[2] + side * radii[2] * 0.7)
            patient.canvas.paint(ellipsoid(patient.space, cyst, (size, size, size)), "fluid", LABEL[name],
                                 over=(*_CAVITY, "kidney", "cortex of kidney"))  # fmt: skip


def _vessels(patient: Patient) -> None:
    space = patient.space
    open_to = (*_CAVITY, "diaphragm", "lung", "muscle", "cortex", "marrow", "disc")
    line = patient.path([(-400, 30, 6), (-60, 30, 8), (0, 32, 11), (60, 34, 12), (400, 38, 18)], 2.5)
    aorta = tube(space, line, patient.widths([9, 9.5, 10, 11.5, 13]))
    patient.organ("aorta", aorta, "aorta", open_to)
    if patient.rng.random() < 0.4:
        wall = (aorta.level > 0.82) & (
            np.random.default_rng(patient.rng.integers(2**32)).random(aorta.level.shape) < 0.03
        )
        patient.canvas.paint(Solid(aorta.window, np.where(wall, np.float32(0), np.float32(9))), "calcium", None,
                             over=("aorta",))  # fmt: skip
    line = patient.path([(-400, 36, -22), (-60, 36, -22), (0, 32, -24), (45, 22, -26), (95, 5, -20)], 2.5)
    cava = tube(space, line, patient.widths([10, 11, 12, 13, 13]), float(patient.rng.uniform(0.7, 1.0)))
    patient.organ("inferior vena cava", cava, "vena cava", (*open_to, "liver", "liver vessel"))
    for side, target in ((-1, (-34.0, 40.0, -40.0)), (1, (-20.0, 38.0, 42.0))):
        vein = np.array([[target[0], 30.0, -14.0], [target[0], 20.0 if side > 0 else 32.0, side * 14.0], target])
        patient.canvas.paint(tube(space, vein, np.array([4.5, 4.5, 4.5])), "vein", over=("visceral fat",))
    portal = patient.path([(-55, -5, 2), (-15, -2, -8), (8, -2, -38), (14, -4, -55)], 3)
    patient.canvas.paint(tube(space, portal, np.array([5.5, 6.5, 6.5, 5.5])), "vein",
                         over=("visceral fat", "bowel wall", "bowel", "gas"))  # fmt: skip
    gullet = patient.path([(400, 20, 2), (90, 20, 8), (68, 12, 20), (58, 5, 38)], 2.5)
    esophagus = tube(space, gullet, patient.widths([8, 8.5, 9, 10]), 0.8)
    patient.canvas.paint(esophagus, "visceral fat", None, below=1.6, over=("lung", "diaphragm"))
    patient.organ("esophagus", esophagus, "esophagus", (*_CAVITY, "diaphragm", "lung", "muscle", "liver", "blood"))
    if patient.rng.random() < 0.5:
        patient.canvas.paint(esophagus, "gas", None, below=0.3, over=("esophagus",))


def _stomach(patient: Patient) -> None:
    rng, space, canvas = patient.rng, patient.space, patient.canvas
    fill = float(rng.uniform(0.65, 1.15))
    points = patient.path([(54, 12, 62), (36, -12, 70), (6, -42, 58), (-18, -58, 22), (-16, -50, -14)], 5)
    stomach = tube(space, points, patient.widths([30 * fill, 31 * fill, 27 * fill, 21 * fill, 12]))
    patient.organ("stomach", stomach, "stomach wall", (*_CAVITY, "diaphragm", "liver", "liver vessel", "vein"))
    canvas.paint(stomach, str(rng.choice(["food", "water", "contrast"], p=[0.5, 0.35, 0.15])), None, below=0.84,
                 over=("stomach wall",))  # fmt: skip
    front = float(points[:, 1].mean() + rng.uniform(-28, 0))
    above = space.axes[1][stomach.window] < front
    canvas.paint(Solid(stomach.window, np.where(above, stomach.level, np.float32(9))), "gas", None, below=0.82,
                 over=("food", "water", "contrast"))  # fmt: skip


def _pancreas_and_duodenum(patient: Patient) -> None:
    space, rng = patient.space, patient.rng
    open_to = ("visceral fat", "bowel wall", "bowel", "gas", "vein")
    loop = patient.path(
        [(-16, -44, -24), (-22, -22, -46), (-52, -6, -46), (-72, 6, -22), (-66, 12, 18), (-48, 0, 34)], 4
    )
    duodenum = tube(space, loop, patient.widths([12, 12, 12, 11, 10, 10]))
    patient.organ("duodenum", duodenum, "bowel wall", (*open_to, "liver"))
    content = str(rng.choice(["bowel", "water", "gas"], p=[0.55, 0.3, 0.15]))
    patient.canvas.paint(duodenum, content, None, below=0.6, over=("bowel wall",))
    line = patient.path([(-48, -4, -26), (-26, -10, -22), (-6, -18, 2), (4, -8, 34), (16, 14, 74)], 4)
    pancreas = tube(space, line, patient.widths([15, 14, 9.5, 10, 8.5]))
    patient.organ("pancreas", pancreas, "pancreas", ("visceral fat", "bowel wall", "bowel", "gas"))


def _gallbladder(patient: Patient) -> None:
    centre, radii = patient.place((-20, -46, -54), (26, 14, 13), 5)
    bladder = ellipsoid(patient.space, centre, radii, (10, -18, 25))
    patient.organ("gallbladder", bladder, "bile", (*_CAVITY, "liver", "liver vessel", "liver lesion"))
    if patient.rng.random() < 0.15 and "gallbladder" not in patient.missing:
        stone = ellipsoid(patient.space, (centre[0] - 8, centre[1] + 4, centre[2]), (5, 5, 5))
        patient.canvas.paint(stone, "calcium", None, over=("bile",))


def _adrenals(patient: Patient) -> None:
    for name, side, apex in (
        ("right adrenal gland", -1, (24.0, 36.0, -36.0)),
        ("left adrenal gland", 1, (20.0, 30.0, 38.0)),
    ):
        top = np.array(apex) + patient.rng.normal(0, 2.5, 3)
        for limb in (-1, 1):
            foot = top + np.array([-14.0, 16.0, limb * 5.0 + side * 7.0]) + patient.rng.normal(0, 2, 3)
            solid = tube(patient.space, np.stack([top, (top + foot) / 2, foot]), patient.widths([4.2, 3.6, 3.0]))
            patient.organ(name, solid, "adrenal", ("visceral fat", "liver", "muscle", "cortex of kidney"))
