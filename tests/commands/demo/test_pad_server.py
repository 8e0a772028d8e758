"""The server of the drawing pad, asked as a page asks it and otherwise, and the command."""

import base64
import io
import re
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from invoke import LIMIT_SECONDS, here, mnist_exp, python
from pads import NOBODY, image_of, opened, serving
from PIL import Image
from servers import free_port

from mnist_exp.commands.demo import cards
from mnist_exp.inference import Digit, Reading
from mnist_exp.inference.segmentation import Box

pytestmark = pytest.mark.xdist_group("demo")  # one trained project

PEOPLE, DRAWINGS_EACH = 20, 10


def as_url(content):
    return "data:image/png;base64," + base64.b64encode(content).decode()


def ask(client, address, value, beside=NOBODY):
    reply = client.post(f"{address}/gradio_api/run/read", json={"data": [value, beside]})
    reply.raise_for_status()
    [answer] = reply.json()["data"]
    return answer.get("texts", "") + answer.get("problem", "")


def test_twenty_people_draw_at_once(address):
    urls = [as_url(image_of(digit)) for digit in range(DRAWINGS_EACH)]
    with httpx.Client(timeout=60) as client:
        expected = [ask(client, address, url) for url in urls]
        with ThreadPoolExecutor(PEOPLE) as people:
            answers = list(
                people.map(lambda _: [ask(client, address, u) for u in urls], range(PEOPLE))
            )
    assert answers == [expected] * PEOPLE


def test_what_is_unsure_is_said_in_words_and_names_are_only_text():
    def digit(first, second, sure):
        shares = np.zeros(10, np.float32)
        shares[first], shares[second] = 0.51, 0.44
        return Digit(Box(0, 0, 9, 9), np.zeros((28, 28), np.uint8), shares, sure)

    nearly = np.eye(10, dtype=np.float32)[1] * 0.9998 + 1e-5
    assert Digit(Box(0, 0, 9, 9), np.zeros((28, 28), np.uint8), nearly, sure=False).likely == (
        "1 (over 99.9%)"
    )
    alone = "".join(cards.cards([cards.Answer("<b>", Reading((digit(4, 9, sure=False),)))]))
    assert "<strong>?</strong>" in alone
    assert "Unsure: 4 (51.0%) or 9 (44.0%)" in alone
    assert "&lt;b&gt; reads" in alone
    assert "<b>" not in alone.split("<ol>")[0]
    pair = (digit(4, 9, sure=False), digit(1, 7, sure=True))
    together, _ = cards.cards([cards.Answer("run", Reading(pair))])
    assert "<strong>?1</strong>" in together
    assert "Unsure of 1, shown as ?" in together
    _, many = cards.cards([cards.Answer("run", Reading(pair * 50))])
    assert many.count("<figure") == cards.MOST_CARDS
    assert "and 80 more digits" in many


def test_what_a_page_would_not_ask_is_refused(address):
    port = int(address.rpartition(":")[2])
    with httpx.Client(timeout=60) as client:
        for value in (7, ["a"], "data:,x", "data:image/png;base64,§", "x" * 1000):
            assert "Expected" in ask(client, address, value)
        for nobody in (7, ["a"], None, "<b>"):
            assert "not offered any more" in ask(client, address, as_url(image_of(3)), nobody)
        read = f"{address}/gradio_api/run/read"
        assert client.post(read, json={"data": ["\x1b[2J"]}).status_code == 500
        assert client.post(read, content=bytes(25 * 2**20)).status_code == 413
        assert client.post(read, content=iter([b"{}"])).status_code == 411
        assert client.get(address, headers={"Host": f"elsewhere.example:{port}"}).status_code == 400
        upload = client.post(f"{address}/gradio_api/upload", files={"files": b"stored"})
        assert upload.status_code == 404
        event = {"fn_index": 0, "data": [as_url(image_of(3)), NOBODY], "session_hash": "anybody"}
        assert client.post(f"{address}/gradio_api/queue/join", json=event).status_code == 404
        link = client.get(f"{address}/gradio_api/deep_link", params={"session_hash": "anybody"})
        assert link.status_code == 404
        store = client.get(f"{address}/gradio_api/file=mlflow.db")
        assert store.status_code in (403, 404)
        assert "Nothing drawn" not in ask(client, address, as_url(image_of(3)))


def test_it_sleeps_while_nobody_asks(server):
    _, process = server

    def wakes():
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)$", status, re.MULTILINE)[1])

    before = wakes()
    time.sleep(1)
    assert wakes() - before < 100


def memory_bytes(process):
    return 1024 * int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(process.pid)]))


def test_photos_take_bounded_memory_however_many_come(server):
    address, process = server
    buffer = io.BytesIO()
    image = Image.new("RGB", (7000, 7000), "white")
    with Image.open(io.BytesIO(image_of(3, side=5000))) as drawing:
        image.paste(drawing, (1000, 1000))
    image.save(buffer, "PNG", compress_level=1)
    url = as_url(buffer.getvalue()).replace("image/png", "application/octet-stream")
    before_bytes = peak_bytes = memory_bytes(process)
    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(8) as people:
        asked = [people.submit(ask, client, address, url) for _ in range(8)]
        while not all(one.done() for one in asked):
            peak_bytes = max(peak_bytes, memory_bytes(process))
    assert all("<strong>3</strong>" in one.result() for one in asked)
    assert peak_bytes - before_bytes < 900e6, "each takes half of it, eight together twice"


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [(signal.SIGINT, 130, "Stopped by Ctrl-C.\n"), (signal.SIGTERM, 143, "Stopped by SIGTERM.\n")],
)
def test_it_ends_quietly_while_a_page_is_open(project, chromium, number, code, message):
    with serving(project) as (address, process):
        opened(chromium, address)
        process.send_signal(number)
        out, err = process.communicate(timeout=LIMIT_SECONDS)
    assert (process.returncode, err) == (code, message)
    assert out.splitlines()[1].strip() == address


def test_a_run_beside_is_named_on_the_command_line(project):
    wrong = mnist_exp(project, "demo", "--beside", "nobody")
    assert wrong.returncode == 2
    assert "Received: 'nobody'." in wrong.stderr
    with serving(project, "best", "--beside", "latest") as (address, _):
        config = httpx.get(f"{address}/config").json()
    [pad] = [
        part["props"]
        for part in config["components"]
        if "js_on_load" in part["props"] and part["props"].get("elem_id") == "pad"
    ]
    assert pad["props"]["beside"] == pad["props"]["runs"][1] != NOBODY


def test_other_machines_are_let_in_only_when_asked_and_that_is_told(project):
    with serving(project, "--host", "0.0.0.0") as (_, process):
        process.terminate()
        assert "Anybody who reaches 0.0.0.0 over the network" in process.communicate()[1]


def test_a_taken_port_costs_one_message(project):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = mnist_exp(project, "demo", "--port", str(port))
    assert done.returncode == 2
    assert done.stderr == (
        f"Expected an address to listen on. Received: 127.0.0.1:{port}, Address already in use. "
        "Another program uses it; name another port with `mnist-exp demo --port`.\n"
    )


def test_without_a_run_it_says_how_to_make_one():
    done = here("demo", "--port", str(free_port()))
    assert done.returncode == 2
    assert done.stderr.endswith("Make one with `mnist-exp train`.\n")
    assert list(Path.cwd().iterdir()) == []


def test_without_the_extra_it_says_how_to_get_it():
    done = python(
        "import sys; sys.modules['gradio'] = None\n"
        "from mnist_exp.cli import execute\nsys.exit(execute(['demo']))"
    )
    assert done.returncode == 2
    assert done.stderr.endswith("Add it with `pip install 'mnist-exp[demo]'`.\n")


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["runs"]])
def test_other_commands_do_not_import_gradio(arguments):
    done = python(
        f"import sys\nfrom mnist_exp.cli import execute\nexecute({arguments})\n"
        "sys.exit('gradio' in sys.modules or 'fastapi' in sys.modules)",
        fresh=True,
    )
    assert done.returncode == 0, done.stderr
