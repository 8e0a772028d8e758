"""Which strokes make a digit, and in which order digits are read."""

import numpy as np
from drawn import DETACHED_FIVE, STROKES, draw, line_of

from mnist_exp.inference.segmentation import segment


def ink_of(image):
    return (1 - image / np.float32(255)).astype(np.float32)


def test_digits_in_a_line_are_found_from_left_to_right():
    found = segment(ink_of(line_of([7, 1, 4, 2])))
    lefts = [part.box.left for part in found]
    assert len(found) == 4
    assert lefts == sorted(lefts)


def test_lines_are_read_one_after_the_other():
    upper, lower = line_of([7, 1]), line_of([2, 4])
    found = segment(ink_of(np.concatenate([upper, lower])))
    middle = len(upper)
    assert [part.box.top > middle for part in found] == [False, False, True, True]
    assert [part.line for part in found] == [0, 0, 1, 1]


def test_a_line_that_climbs_is_one_line():
    parts = [np.roll(line_of([d]), -12 * i, axis=0) for i, d in enumerate([2, 7, 4, 1])]
    found = segment(ink_of(np.concatenate(parts, axis=1)))
    lefts = [part.box.left for part in found]
    assert len(found) == 4
    assert lefts == sorted(lefts)


def test_strokes_that_do_not_touch_make_one_digit():
    [five] = segment(ink_of(draw(DETACHED_FIVE, pen=8)))
    assert five.box.height > 150
    assert five.ink.shape == (five.box.height, five.box.width)


def test_a_bar_far_above_a_five_belongs_to_it_and_to_no_neighbour():
    body, bar = DETACHED_FIVE
    strokes = [[(x, 0.2 + 0.8 * y) for x, y in body], [(x + 0.1, y - 0.05) for x, y in bar]]
    five = draw(strokes, pen=6, at=(30, 60), size=(220, 260))
    image = np.concatenate([five, draw(STROKES[7], pen=6, at=(30, 60), size=(220, 260))], axis=1)
    found = segment(ink_of(image))
    assert len(found) == 2
    assert found[0].box.height > found[1].box.height * 0.9


def test_a_digit_in_a_paler_colour_is_found():
    for tone in (0.4, 0.6):
        ink = ink_of(line_of([7, 2, 4]))
        ink[:, 180:360] *= tone
        found = segment(ink)
        assert len(found) == 3
        assert found[1].ink.max() == 1


def test_what_is_pale_and_no_digit_is_none():
    ink = ink_of(line_of([7, 2, 4]))
    whole = [part.ink.tobytes() for part in segment(ink)]
    grid = np.zeros_like(ink)
    grid[::30], grid[:, ::30] = 0.4, 0.4
    y, x = np.mgrid[: ink.shape[0], : ink.shape[1]]
    shadow = 0.45 * np.exp(-((x - 180) ** 2 + (y - 100) ** 2) / (2 * 40**2))
    ghost = 0.25 * np.roll(ink, 90, axis=1)
    for pale in (shadow, ghost):
        assert len(segment(np.maximum(ink, pale.astype(np.float32)))) == 3
    assert len(segment(np.maximum(ink, grid))) == 3
    assert [part.ink.tobytes() for part in segment(ink)] == whole


def test_one_tall_digit_joins_no_lines():
    page = np.full((400, 800), 255, np.uint8)
    for line, top in enumerate((70, 215)):  # 25 pixels apart
        for place, digit in enumerate((7, 2, 4)):
            height = 180 if (line, place) == (0, 2) else 120
            at = (60 + 260 * place, top + 120 - height)
            one = draw(STROKES[digit], height=height, pen=10, at=at, size=(800, 400))
            page = np.minimum(page, one)
    found = segment(ink_of(page))
    assert [part.line for part in found] == [0, 0, 0, 1, 1, 1]


def test_dirt_is_no_digit():
    image = draw(STROKES[2]).copy()
    rng = np.random.default_rng(0)
    for x, y in rng.integers(0, 270, (30, 2)):
        image[y : y + 3, x : x + 3] = 0
    assert len(segment(ink_of(image))) == 1


def test_ruled_lines_are_no_digits_and_hide_none():
    for ruled in (np.s_[195:198, :], np.s_[:, 2:5]):  # lines that cross are one stroke
        image = line_of([7, 2]).copy()
        image[ruled] = 0
        assert len(segment(ink_of(image))) == 2


def test_a_one_that_fills_the_image_is_a_digit():
    image = np.full((200, 15), 255, np.uint8)
    image[:, 4:11] = 0
    assert len(segment(ink_of(image))) == 1


def test_a_tall_one_is_no_ruled_line():
    image = np.full((200, 200), 255, np.uint8)
    image[10:190, 40:46] = 0
    image[90:94, 150:154] = 0  # dust
    [one] = segment(ink_of(image))
    assert one.box.height == 180
    cropped = line_of([1, 7, 1], pen=4)[38:162]
    assert len(segment(ink_of(cropped))) == 3


def test_a_digit_has_its_own_ink_alone():
    image = draw(STROKES[4], at=(30, 60)).copy()
    parts = segment(ink_of(image))
    [four] = [part.box for part in parts]
    image[60:220, 215:225] = 0  # a 1 beside it, within reach of a box around both
    parts = segment(ink_of(image))
    assert len(parts) == 2
    assert parts[0].box == four
    for part in parts:
        assert (part.ink > 0.5).any()
        assert part.ink.max() <= 1
        rows, columns = np.nonzero(part.ink > 0.5)
        assert np.ptp(rows) + 1 == part.box.height
        assert np.ptp(columns) + 1 == part.box.width


def test_no_ink_no_digits():
    assert segment(np.zeros((50, 50), np.float32)) == []
