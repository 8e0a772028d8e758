"""What a figure says, how large it is saved, and that it can be read."""

from PIL import Image

from mnist_exp import plots


def title(figure):
    """Returns the finding on top of a figure."""
    return figure.texts[0].get_text()


def written(axes):
    """Returns the texts in axes."""
    return [text.get_text() for text in axes.texts]


def saved_size(figure, folder):
    """Returns width and height of a saved figure, in pixels."""
    plots.save(figure, folder / "figure.png")
    with Image.open(folder / "figure.png") as image:
        return image.size


def assert_legible(figure):
    """No text may leave the figure or overlap another."""
    renderer = figure.canvas.get_renderer()
    texts = list(figure.texts)
    for axes in figure.axes:
        texts += [*axes.texts, axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label]
        if axes.get_legend():
            texts += axes.get_legend().get_texts()
        for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
            low, high = sorted(axis.get_view_interval())
            texts += [
                tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high
            ]
    boxes = [(text, text.get_window_extent(renderer)) for text in texts if text.get_text()]
    assert boxes
    for place, (text, box) in enumerate(boxes):
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= figure.bbox.x1, text
        assert box.y1 <= figure.bbox.y1, text
        for other, other_box in boxes[place + 1 :]:
            assert not box.overlaps(other_box), (text, other)
