"""Ink -> the digits in it, in reading order: strokes that belong together become one.

Digits that touch each other are not taken apart.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

_INK = 0.5
_PALE, _LEAST, _FULL = 0.2, 0.33, 0.8  # the edge of paler ink; how much it has
_PALE_HEIGHT, _PALE_WIDTH = 0.5, 0.4  # of the tallest and of the widest stroke of full ink
_AROUND, _SHARP = 0.06, 0.08  # of its height; the ink around it, of its own
_SPECK_SIDE = 0.15  # of the tallest stroke: what is smaller in both directions is dirt
_SPECK_AREA = 0.02  # of the largest stroke
_RULE_LENGTH, _RULE_WIDTH = 0.8, 0.08  # of the image's side, and of the line's own length
_RULE_BESIDE = 1.5, 10  # its length, of the height of the tallest other stroke
_NEAR = 0.05  # of the taller one's height: strokes with so small a gap belong together
_BELOW = 0.25  # the same for strokes one above the other
_FLAT, _BAR = 0.3, 0.4  # of the tallest stroke; the gap, of the taller one's height
_OVERLAP = 0.5  # of the narrower one's width: so much makes strokes lie one above the other
_TALL = 0.6  # of the tallest: strokes of such height are most of a digit
_WHOLE = 0.75  # of most tall ones: two strokes of such height are two digits, however near
_SAME_LINE = 0.5  # of the lower one's height
_MOST_STROKES, _MOST_ALIKE = 1000, 100


@dataclass(frozen=True)
class Box:
    """Where something lies in an image, in pixels; `right` and `bottom` are just outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top


@dataclass(frozen=True, eq=False)
class Segment:
    """One digit: its box, its ink alone, and its line."""

    box: Box
    ink: NDArray[np.float32]  # float32 [box.height, box.width], 0 ground to 1 ink
    line: int = 0  # of the writing, from above


def segment(ink: NDArray[np.float32]) -> list[Segment]:
    """Finds the digits.

    Args:
        ink: float32 [H, W], 0 ground to 1 ink.

    Returns:
        Each digit, line by line and from left to right; empty where there is only dirt.
    """
    ink = _with_pale(ink)
    found = _strokes(ink > _INK)
    boxes = found.boxes
    strokes = _without_specks(boxes, found.areas, _rules(boxes, ink.shape))
    groups = _grouped({number: boxes[number] for number in strokes})
    segments = [_cut(ink, found.labels, members, boxes) for members in groups]
    return _in_reading_order(segments)


@dataclass(frozen=True, eq=False)
class _Strokes:
    """The connected parts of a mask."""

    labels: NDArray[np.int32]  # [H, W]: 0 ground, then the strokes
    boxes: list[Box]
    areas: NDArray[np.int32]  # in pixels


def _strokes(mask: NDArray[np.bool_]) -> _Strokes:
    labels: NDArray[np.int32]
    stats: NDArray[np.int32]  # [1 + strokes, 5]: left, top, width, height, area
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    boxes = [Box(x, y, x + width, y + height) for x, y, width, height, _ in stats[1:].tolist()]
    return _Strokes(labels, boxes, stats[1:, cv2.CC_STAT_AREA])


def _dilated(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    around = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    wider: NDArray[np.bool_] = cv2.dilate(mask.view(np.uint8), around).view(np.bool_)
    return wider


def _with_pale(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns ink in which digits in a paler colour than others, or by a lighter hand, are as full.

    They are about as large as others and as thick, which lines of a grid are not, and end as
    sharply, which shadows do not.
    """
    full, large = _strokes(ink > _INK), _strokes(ink > _PALE)
    tallest = max((box.height for box in full.boxes), default=0)
    alike = [
        (number, box)
        for number, box in enumerate(large.boxes, 1)
        if _PALE_HEIGHT * tallest < box.height < tallest / _PALE_HEIGHT > box.width
    ]
    if len(alike) > _MOST_ALIKE:  # noise, or a texture
        return ink
    lifted, thickest = ink.copy(), _width(full.labels > 0)
    for number, box in alike:
        by = max(2, round(_AROUND * box.height))
        window = np.s_[
            max(0, box.top - by) : box.bottom + by, max(0, box.left - by) : box.right + by
        ]
        values, own = ink[window], large.labels[window] == number
        level = float(np.percentile(values[own], 90))
        if not _LEAST < level < _FULL or _width(own) < _PALE_WIDTH * thickest:
            continue
        edge = _dilated(own, by // 2)
        around = values[_dilated(own, by) & ~edge]
        if around.size and around.mean() < _SHARP * level:
            lifted[window] = np.where(edge, np.minimum(values / level, 1), lifted[window])
    return lifted


def _width(mask: NDArray[np.bool_]) -> float:
    """Returns how wide a stroke is where it is widest, in pixels."""
    return 2 * float(cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, 3).max())


def _rules(boxes: list[Box], shape: tuple[int, ...]) -> set[int]:
    """Returns the numbers of lines that are ruled across the image.

    They are much longer than what is written between them, which a 1 among digits is not; and
    that is no dust, as it may be beside a 1 alone.
    """
    height, width = shape
    lines = {
        number
        for number, box in enumerate(boxes)
        if (box.width > _RULE_LENGTH * width and box.height < _RULE_WIDTH * box.width)
        or (box.height > _RULE_LENGTH * height and box.width < _RULE_WIDTH * box.height)
    }
    others = [box.height for number, box in enumerate(boxes) if number not in lines]
    tallest = max(others, default=0)
    low, high = _RULE_BESIDE
    return {
        number
        for number in lines
        if low * tallest < max(boxes[number].width, boxes[number].height) < high * tallest
    }


def _without_specks(boxes: list[Box], areas: NDArray[np.int32], rules: set[int]) -> list[int]:
    """Returns the numbers of the strokes that are worth reading."""
    strokes = [number for number in range(len(boxes)) if number not in rules]
    if not strokes:
        return []
    tallest = max(max(boxes[number].width, boxes[number].height) for number in strokes)
    largest = max(areas[number] for number in strokes)
    kept = [
        number
        for number in strokes
        if max(boxes[number].width, boxes[number].height) > _SPECK_SIDE * tallest
        and areas[number] > _SPECK_AREA * largest
    ]
    return sorted(kept, key=lambda number: -areas[number])[:_MOST_STROKES]


def _grouped(strokes: dict[int, Box]) -> list[list[int]]:
    """Puts the strokes together that make one digit; largest first, each joins the nearest."""
    if not strokes:
        return []
    heights = np.array([box.height for box in strokes.values()])
    tallest = int(heights.max())
    usual = float(np.median(heights[heights >= _TALL * tallest]))
    groups: list[tuple[Box, list[int]]] = []
    for number, box in sorted(strokes.items(), key=lambda item: -item[1].height):
        near = [group for group in groups if _belong(group[0], box, tallest, usual)]
        if near:
            closest = min(near, key=lambda group: _gap(group[0], box))
            groups.remove(closest)
            groups.append((_union(closest[0], box), [*closest[1], number]))
        else:
            groups.append((box, [number]))
    return [members for _, members in groups]


def _belong(digit: Box, stroke: Box, tallest: int, usual: float) -> bool:
    """Tells whether a stroke is part of a digit.

    Args:
        digit: what is known of it.
        stroke: no higher.
        tallest: the height of the tallest stroke.
        usual: that of most tall ones.
    """
    height = max(digit.height, stroke.height)
    gap = _gap(digit, stroke)
    shared = min(digit.right, stroke.right) - max(digit.left, stroke.left)
    if stroke.height < _FLAT * tallest and shared > 0:  # no digit is so flat: the bar of a 5
        return gap <= _BAR * height
    one_above = shared >= _OVERLAP * min(digit.width, stroke.width)
    if min(digit.height, stroke.height) > _WHOLE * usual:
        return gap == 0 and one_above
    return gap <= (_BELOW if one_above else _NEAR) * height


def _gap(one: Box, other: Box) -> float:
    """Returns the distance of two boxes in pixels; 0 where they meet."""
    across = max(one.left, other.left) - min(one.right, other.right)
    down = max(one.top, other.top) - min(one.bottom, other.bottom)
    return float(np.hypot(max(across, 0), max(down, 0)))


def _union(one: Box, other: Box) -> Box:
    return Box(
        min(one.left, other.left),
        min(one.top, other.top),
        max(one.right, other.right),
        max(one.bottom, other.bottom),
    )


def _cut(
    ink: NDArray[np.float32], labels: NDArray[np.int32], members: list[int], boxes: list[Box]
) -> Segment:
    """Takes a digit out of the image, with its soft edges and without its neighbours."""
    box = boxes[members[0]]
    for number in members[1:]:
        box = _union(box, boxes[number])
    window = np.s_[box.top : box.bottom, box.left : box.right]
    own = np.isin(labels[window], np.array(members) + 1)
    kept = own | (_dilated(own, 1) & (labels[window] == 0))
    return Segment(box, np.where(kept, ink[window], 0).astype(np.float32))


def _in_reading_order(segments: list[Segment]) -> list[Segment]:
    """Sorts digits by line and from left to right; who shares half a height shares a line."""
    lines: list[list[Segment]] = []
    for found in sorted(segments, key=lambda s: s.box.top + s.box.bottom):
        line = lines[-1] if lines else []
        if any(_side_by_side(found.box, other.box) for other in line):
            line.append(found)
        else:
            lines.append([found])
    return [
        replace(found, line=number)
        for number, line in enumerate(lines)
        for found in sorted(line, key=lambda s: s.box.left)
    ]


def _side_by_side(one: Box, other: Box) -> bool:
    shared = min(one.bottom, other.bottom) - max(one.top, other.top)
    return shared > _SAME_LINE * min(one.height, other.height)
