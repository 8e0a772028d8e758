"""The page as a file and as markup: what it holds, and that a record stays text in it."""

import base64
import os
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import browsers
import pytest
from made_runs import predicted, record, sweep

from mnist_exp import data
from mnist_exp.commands.compare import figures, page
from mnist_exp.commands.compare.details import details
from mnist_exp.core.errors import RequestError

HOSTILE = (
    "<script>alert(1)</script>\"'><img src=//evil.example onerror=alert(1)>\x1b[2J\x00\u202e$\\frac"
)
VOID = {"img", "link", "meta", "br"}


class Page(HTMLParser):
    """The elements of a page, and its text; fails where tags do not match."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(markup)
        self.close()
        assert self._open == []

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, text):
        if "style" not in self._open:
            self.texts.append(text)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def names(folder):
    return [file.name for file in folder.iterdir()]


def rendered(comparison, store):
    return page.render(comparison, details(comparison, store))


def pictures(found, kind):
    prefix = f"data:{kind};base64,"
    uris = [image["src"] for image in found.all("img")]
    return [base64.b64decode(uri[len(prefix) :]) for uri in uris if uri.startswith(prefix)]


@pytest.fixture
def hostile(compared, curves):
    """Two runs whose records try everything."""
    runs = [
        record(
            str(seed),
            name=f"{HOSTILE} {seed}",
            tags={"model": f"{HOSTILE} {seed}", "mnist_exp.code_sha256": HOSTILE},
            **{
                "model.name": f"{HOSTILE} {seed}",
                f"model.{HOSTILE}": f"{HOSTILE} {seed}",
                "data.name": HOSTILE,
            },
        )
        for seed in range(2)
    ]
    curves.problem = ConnectionError(HOSTILE)
    return compared(runs, {"0": predicted({}), "1": predicted({4: 9})}, [HOSTILE])


def test_the_page_needs_nothing_from_elsewhere(three_by_five, curves):
    markup = rendered(three_by_five, curves)
    found = Page(markup)
    for _, attributes in found.elements:
        for name in ("src", "href", "srcset", "action", "poster", "data", "background"):
            assert attributes.get(name, "data:").startswith("data:")
    assert "@import" not in markup
    assert "url(" not in markup
    assert not {"script", "iframe", "object", "embed", "base", "form"} & {
        t for t, _ in found.elements
    }
    drawings = pictures(found, "image/svg+xml")
    assert len(drawings) == 2 + 4 + 2 + 2  # accuracy, curves, recall, confusions
    for drawing in drawings:
        for element in ET.fromstring(drawing).iter():
            links = [value for name, value in element.attrib.items() if name.endswith("href")]
            assert all(link.startswith("#") for link in links)


def test_a_policy_forbids_everything_else(three_by_five, curves):
    (policy,) = (
        meta["content"]
        for meta in Page(rendered(three_by_five, curves)).all("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy
    assert "img-src data:" in policy
    assert "script" not in policy


def test_whatever_a_record_says_stays_text(hostile, curves):
    markup = rendered(hostile, curves)
    found = Page(markup)
    assert not found.all("script")
    assert all(image["src"].startswith("data:") for image in found.all("img"))
    for _, attributes in found.elements:
        assert not [name for name in attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in found.text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", markup)
    assert markup.count("&lt;script&gt;") > 8


def test_a_test_of_two_runs_is_said_to_be_of_them_alone(compared, curves):
    page_of_two = Page(rendered(compared(*sweep({"cnn": 0.97, "mlp": 0.5}, seeds=1)), curves))
    assert "worse on test: this run, not its config" in page_of_two.text
    assert "tells of these networks and these images, not of the configs" in page_of_two.text


def test_half_characters_can_be_written(compared, curves, tmp_path):
    runs = [record("1", name="cnn-\ud800")]
    page.write(compared(runs, {"1": predicted({})}), curves, tmp_path / "page.html")
    assert r"cnn-\ud800" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_table_says_what_a_paper_would(three_by_five, curves):
    found = Page(rendered(three_by_five, curves))
    assert "3 configs, 15 runs, tested on the 200 test images of digits" in found.text
    assert "test accuracy is shown and chooses nothing" in found.text
    assert all(note in found.text for note in three_by_five.notes)
    assert "best on validation" in found.text
    for row in three_by_five.rows[1:]:
        assert row.finding.words in found.text
        assert f"\N{MINUS SIGN}{abs(100 * row.finding.difference):.2f}" in found.text
    assert found.text.count("1,234") == 3
    scopes = [header.get("scope") for header in found.all("th")]
    assert set(scopes) == {"col", "row"}
    assert "Not compared" not in found.text


def recipes(**params):
    """Returns runs that differ in all params: key -> values."""
    count = len(next(iter(params.values())))
    return [
        record(
            str(place),
            tags={"model": params["model__name"][place]} if "model__name" in params else {},
            **{key.replace("__", "."): values[place] for key, values in params.items()},
        )
        for place in range(count)
    ], {str(place): predicted({place: 9}) for place in range(count)}


def test_metrics_of_ones_own_have_a_column(three_by_five, curves):
    asked = replace(three_by_five, metrics=("test/top_2",))
    for run in asked.rows[0].group.runs:
        run.metrics["test/top_2"] = 0.5
    text = rendered(asked, curves)
    assert ">test/top_2</th>" in text
    assert text.count('<td class="number">0.5000</td>') == 1


@pytest.mark.parametrize("recorded", ["[" * 2000, "9" * 5000, "top_2", '{"top_2": 1}'])
def test_a_record_of_metrics_that_is_no_list_adds_no_column(recorded, compared):
    runs, predictions = recipes(model__name=["a", "b"])
    runs[0].params["metrics"] = recorded
    assert compared(runs, predictions).metrics == ()


def test_results_stand_before_what_the_configs_are(compared, curves):
    runs = recipes(model__name=["a", "b"], optimizer__learning_rate=["0.1", "0.2"])
    text = Page(rendered(compared(*runs), curves)).text
    titles = text[text.index("# run") : text.index("run-0")]
    order = ["run", "val %", "test %", "verdict", "seeds", "fit s", "model", "learning_rate"]
    assert [titles.index(title) for title in order] == sorted(map(titles.index, order))


@pytest.mark.parametrize(
    ("params", "legend"),
    [
        ({"model__name": "ab", "training__epochs": "12"}, ["A a", "B b"]),
        (
            {"optimizer__learning_rate": ["0.1", "0.2"], "training__epochs": "12"},
            ["A learning_rate=0.1", "B learning_rate=0.2"],
        ),
        ({"training__epochs": "35"}, ["A epochs=3", "B epochs=5"]),
        (
            {"model__name": "aab", "training__epochs": "122", "training__batch_size": "889"},
            ["A model=a epochs=1", "B model=a epochs=2", "C model=b epochs=2"],
        ),
    ],
)
def test_legends_say_no_more_than_tells_the_configs_apart(compared, curves, params, legend):
    markup = rendered(compared(*recipes(**params)), curves)
    items = Page(markup[markup.index('<ul class="legend">') :].partition("</ul>")[0] + "</ul>")
    assert " ".join(legend) == items.text


def test_what_was_left_out_is_said(compared, curves):
    runs, predictions = sweep({"cnn": 0.97})
    found = Page(rendered(compared(runs, predictions, ["Left out: mlp-1, pruned."]), curves))
    assert "Not compared" in found.text
    assert "Left out: mlp-1, pruned." in found.text


def test_commands_in_what_is_said_stand_in_no_backticks(compared, curves):
    runs, predictions = sweep({"cnn": 0.97})
    lines = ["See `mnist-exp runs` and `<b>`.", "An odd ` in <a> name."]
    markup = rendered(compared(runs, predictions, lines), curves)
    assert "See <code>mnist-exp runs</code> and <code>&lt;b&gt;</code>." in markup
    assert "An odd ` in &lt;a&gt; name." in markup


def test_an_interval_of_two_seeds_does_not_set_the_scale(compared, curves, monkeypatch):
    scales = []
    draw = figures.accuracy
    monkeypatch.setattr(figures, "accuracy", lambda *a: (scales.append(a[2]), draw(*a))[1])
    runs, predictions = sweep({"cnn": 0.97, "mlp": 0.9}, seeds=2)
    runs[-1].metrics["chosen/val_accuracy"] = 0.8
    comparison = compared(runs, predictions)
    text = Page(rendered(comparison, curves)).text
    assert comparison.rows[1].validation.low < 0.3
    low, high = scales[0]
    assert 0.7 < low < 0.72  # twice the deviation below the mean
    assert 0.98 < high < 1
    assert text.count("An interval of two seeds is 12.7 times as wide as they lie apart") == 1
    scales.clear()
    assert "two seeds" not in Page(rendered(compared(*sweep({"cnn": 0.97}, seeds=3)), curves)).text


def test_panels_fill_the_width_and_none_of_four_stands_alone(three_by_five, curves, tmp_path):
    (tmp_path / "page.html").write_text(rendered(three_by_five, curves), encoding="utf-8")
    with browsers.chromium(1440, 2000) as browser:
        browser.get((tmp_path / "page.html").as_uri())
        width = browser.find_element("tag name", "main").rect["width"]
        rows = [
            [panel.rect for panel in panels.find_elements("class name", "panel")]
            for panels in browser.find_elements("class name", "panels")
        ]
    assert [len(row) for row in rows] == [2, 4, 2, 2]
    for row in rows:
        tops = [rect["y"] for rect in row]
        assert all(tops.count(top) == 2 for top in tops)
        assert max(rect["x"] + rect["width"] for rect in row) - row[0]["x"] > 0.95 * width


def test_every_picture_is_described_and_has_its_size(three_by_five, curves):
    found = Page(rendered(three_by_five, curves))
    for image in found.all("img"):
        assert image["alt"]
        assert int(image["width"]) <= 500
        assert int(image["height"]) > 0
    alts = " ".join(image["alt"] for image in found.all("img"))
    assert "Validation loss (nats) by epoch, in the last: A 0.048, B 0.068, C 0.088" in alts
    assert "Confusion matrix of B minus that of A" in alts
    assert found.all("html") == [{"lang": "en"}]


def test_images_are_within_the_page(compared, curves, artifacts):
    test = data.load("digits", seed=0, validation_images=0, train_images=None).test
    runs = [record(name, folder=artifacts, **{"model.name": name}) for name in ("cnn", "mlp")]
    predictions = {"cnn": predicted({}, test.labels), "mlp": predicted({17: 5}, test.labels)}
    found = Page(rendered(compared(runs, predictions), curves))
    (picture,) = pictures(found, "image/png")
    assert picture.startswith(b"\x89PNG")
    assert f"disagree on 1 of the {len(test)} test images." in found.text
    (alt,) = (image["alt"] for image in found.all("img") if "png" in image["src"])
    assert alt == f"Test image 17, a {test.labels[17]}"


def test_without_the_images_everything_else_is_there(three_by_five, curves):
    found = Page(rendered(three_by_five, curves))
    assert pictures(found, "image/png") == []
    assert "The images themselves could not be loaded: Expected the artifact" in found.text
    assert len(found.all("figure")) == len(details(three_by_five, curves).disagreement.images) > 0


def test_without_curves_the_reason_is_given(three_by_five, curves):
    curves.problem = ConnectionError("refused")
    assert "The curves could not be read: refused" in Page(rendered(three_by_five, curves)).text


def test_without_validation_nothing_is_ranked(compared, curves):
    runs = [
        record(name, **{"model.name": name, "data.validation_images": "0"}) for name in ("a", "b")
    ]
    found = Page(rendered(compared(runs, {"a": predicted({}), "b": predicted({1: 2})}), curves))
    assert "none is the best" in found.text
    assert not [image for image in found.all("img") if image["alt"].startswith("Validation")]
    assert "No run recorded a loss or an accuracy by epoch." in found.text


def test_a_single_run_is_shown_by_itself(compared, curves):
    found = Page(rendered(compared([record("1")], {"1": predicted({1: 2})}), curves))
    assert "1 config, 1 run" in found.text
    assert "There is one run, which cannot disagree with another." in found.text
    assert "There is one config, so there is none." in found.text
    assert "confusion" not in found.text.lower()


def test_the_seeds_of_one_config_are_told_apart(compared, curves):
    runs = [record(f"cnn-{seed}", seed=seed) for seed in range(2)]
    predictions = {"cnn-0": predicted({5: 6}), "cnn-1": predicted({})}
    found = Page(rendered(compared(runs, predictions), curves))
    assert "The seeds disagree on 1 of the 200 test images." in found.text
    assert "seed 1" in found.text


def test_configs_that_agree_on_all_images_are_said_to(compared, curves):
    runs = [record(name, **{"model.name": name}) for name in ("a", "b")]
    same = {"a": predicted({3: 5}), "b": predicted({3: 5})}
    found = Page(rendered(compared(runs, same), curves))
    assert "On none: all of them take every test image for the same digit." in found.text


def test_of_many_configs_the_page_says_how_many_it_details(compared, curves):
    comparison = compared(*sweep({f"m{n}": 0.99 - n / 50 for n in range(11)}, seeds=1))
    found = Page(rendered(comparison, curves))
    assert "From here on: the first 8 of 11 configs." in found.text
    assert "run-m10-0" in found.text


def test_the_same_comparison_gives_the_same_page(three_by_five, curves):
    assert rendered(three_by_five, curves) == rendered(three_by_five, curves)


class Untouchable:
    """A store that no work may begin with."""

    def __getattr__(self, name):
        raise AssertionError(name)


@pytest.mark.parametrize("place", ["absent/page.html", "file/page.html", ".", "n" * 300])
def test_a_file_that_cannot_be_written_is_refused_before_any_work(place, three_by_five, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(RequestError, match=r"Expected --html to name .* Received: .* Create"):
        page.write(three_by_five, Untouchable(), tmp_path / place)
    with pytest.raises(RequestError, match=r"Expected --html to name .* Received: .* Create"):
        page.check(tmp_path / place)
    assert names(tmp_path / "work") == []


def test_devices_are_left_alone(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RequestError, match="no file"):
        page.check(tmp_path / "pipe")


def test_what_is_no_page_is_not_replaced(three_by_five, curves, tmp_path):
    script = tmp_path / "make.py"
    script.write_text("print()")
    with pytest.raises(RequestError, match=r"make\.py, which is something else"):
        page.write(three_by_five, curves, script)
    assert script.read_text() == "print()"
    page.write(three_by_five, curves, tmp_path / "page.html")
    first = (tmp_path / "page.html").stat().st_ino
    page.write(three_by_five, curves, tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_ino != first


def test_a_page_is_replaced_as_a_whole_or_not_at_all(three_by_five, curves, tmp_path, monkeypatch):
    file = tmp_path / "out" / "page.html"
    file.parent.mkdir()
    page.check(file)
    assert names(file.parent) == []
    page.write(three_by_five, curves, file)
    first = file.read_bytes()
    monkeypatch.setattr(page, "render", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        page.write(three_by_five, curves, file)
    monkeypatch.setattr(page, "render", lambda *_: "other")
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(RequestError, match="full"):
        page.write(three_by_five, curves, file)
    assert file.read_bytes() == first
    assert names(file.parent) == ["page.html"]


def test_a_link_stays_a_link(three_by_five, curves, tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "link.html").symlink_to(tmp_path / "target" / "page.html")
    page.write(three_by_five, curves, tmp_path / "link.html")
    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "target" / "page.html").is_file()
