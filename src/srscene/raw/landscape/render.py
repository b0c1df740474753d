"""From a laid-out scene to its reflectance at 2.5 m: the truth that the sensor blurs."""

import cv2
import numpy as np

from srscene.core.classes import CLASSES
from srscene.raw.landscape.look import Look
from srscene.raw.landscape.materials import PAINTERS
from srscene.raw.landscape.scenes import INLAND, KINDS, MARINE, URBAN, Scene
from srscene.raw.landscape.settlements import hamlets
from srscene.raw.landscape.textures import SIZE, Field, noise, paint, plain, shifted, soft


def render(rng: np.random.Generator, scene: Scene) -> Field:
    """Return the scene's surface reflectance × 10,000, (480, 480, 3) float32, R, G, B."""
    length = rng.uniform(
        1.5, 4.0
    )  # of the shadow of a 10 m tree or house, px: the sun stands 58° to 27° high
    sun = (-0.55 * length, -0.84 * length)  # it stands in the south-east when Sentinel-2 passes at 10:30
    look = Look(rng, scene.angle, sun, scene.lush, scene.parcels, scene.shore)
    image = _blend(look, scene)
    if KINDS[scene.kind].straight:
        image = hamlets(look, image, scene.cover < INLAND)
    image = _roads(rng, image, scene)
    land = 1 - np.clip(soft((scene.shore > 0).astype(np.float32), 2), 0, 1)
    image *= 1 + land * (_hillshade(scene.height) - 1)
    light = rng.uniform(0.7, 0.95) * rng.uniform(0.96, 1.04, 3)
    haze = rng.uniform(0, 1) * np.array([20, 40, 65])  # that atmospheric correction left
    bands = np.moveaxis(image, 0, -1) * light.astype(np.float32) + haze.astype(np.float32)
    return np.asarray(cv2.GaussianBlur(np.maximum(bands, 1), (0, 0), 0.55), np.float32)


def _blend(look: Look, scene: Scene) -> Field:
    """Paint every class over its own area; classes meet over about two pixels."""
    total = np.zeros((SIZE, SIZE), np.float32)
    image = np.zeros((3, SIZE, SIZE), np.float32)
    for index, name in scene.looks.items():
        weight = soft((scene.cover == index).astype(np.float32), 0.8)
        layer = PAINTERS[name](look)
        layer *= weight
        image += layer
        total += weight
    image /= total
    return image


def _hillshade(height: Field) -> Field:
    """Return the light on a slope relative to flat ground, about 0.5 to 1.4."""
    smooth = soft(height, 1.5)
    slope = (smooth - shifted(smooth, (1, 1))) + (smooth - shifted(smooth, (2, 2))) / 2
    return np.clip(1 - 0.16 * slope, 0.45, 1.45)


def _roads(rng: np.random.Generator, image: Field, scene: Scene) -> Field:
    """Draw a road or two and some tracks over the land; built-up land has its own streets."""
    if not any(CLASSES[index] == "Urban fabric" or index < 8 for index in scene.looks):
        count, width = 1, 1
    else:
        count, width = int(rng.integers(1, 4)), 3
    free = np.isin(scene.cover, (MARINE, URBAN), invert=True).astype(np.float32)
    for number in range(count):
        line = np.zeros((SIZE, SIZE), np.uint8)
        turn = scene.angle + rng.choice([0, np.pi / 2]) + rng.normal(0, 0.15)
        along = np.linspace(-1.1 * SIZE, 1.1 * SIZE, 45)
        bend = np.cumsum(cv2.GaussianBlur(rng.standard_normal((1, 45)), (0, 0), 3)[0]) * 14
        aside = bend - bend[22] + rng.uniform(-200, 200)
        x = SIZE / 2 + along * np.cos(turn) - aside * np.sin(turn)
        y = SIZE / 2 + along * np.sin(turn) + aside * np.cos(turn)
        points = np.rint(np.stack([x, y], -1) * 16).astype(np.int32)
        cv2.polylines(line, [points], False, 255, width if number == 0 else 1, cv2.LINE_AA, 4)
        cover = soft(line.astype(np.float32) / np.float32(255), 0.5) * free
        if number or width == 1:  # tracks end at the water; a road bridges a river
            cover = cover * (scene.cover != INLAND)
        colour = (1000, 980, 950) if number == 0 and width == 3 else (1450, 1280, 1000)
        image = paint(image, 0.9 * cover, plain(colour, 1 + 0.05 * noise(rng, 5)))
    return image
