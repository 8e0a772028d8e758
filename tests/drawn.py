"""Pictures of digits for tests: a few strokes of our own, drawn with any pen on any ground."""

import io

import numpy as np
from PIL import Image, ImageDraw

# Corners of lines in a unit square, x right, y down.
STROKES = {
    1: [[(0.35, 0.2), (0.5, 0.0), (0.5, 1.0)]],
    2: [[(0.1, 0.2), (0.3, 0.0), (0.7, 0.0), (0.85, 0.25), (0.1, 1.0), (0.9, 1.0)]],
    4: [[(0.55, 0.0), (0.05, 0.65), (0.9, 0.65)], [(0.7, 0.3), (0.7, 1.0)]],
    7: [[(0.1, 0.0), (0.9, 0.0), (0.4, 1.0)]],
}
DETACHED_FIVE = [
    [(0.2, 0.08), (0.15, 0.45), (0.6, 0.4), (0.8, 0.7), (0.5, 1.0), (0.1, 0.9)],
    [(0.32, 0.0), (0.9, 0.0)],
]


def draw(strokes, *, height=160, pen=12, at=(60, 60), size=(280, 280)):
    """Returns uint8 [H, W]: strokes in black on white, with soft edges."""
    scale = 4
    image = Image.new("L", (size[0] * scale, size[1] * scale), 255)
    brush, radius = ImageDraw.Draw(image), pen * scale / 2
    for stroke in strokes:
        points = [((at[0] + x * height) * scale, (at[1] + y * height) * scale) for x, y in stroke]
        brush.line(points, fill=0, width=round(pen * scale))
        for x, y in points:
            brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=0)
    return np.asarray(image.reduce(scale))


def line_of(digits, *, height=120, gap=60, pen=10):
    """Returns uint8 [H, W]: digits side by side, `gap` pixels between their squares."""
    parts = [
        draw(
            STROKES[d], height=height, pen=pen, at=(gap // 2, 40), size=(height + gap, height + 80)
        )
        for d in digits
    ]
    return np.concatenate(parts, axis=1)


def encoded(image, form="PNG", **options):
    """Returns the bytes of an image file."""
    content = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(content, form, **options)
    return content.getvalue()
