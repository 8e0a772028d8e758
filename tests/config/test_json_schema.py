"""`mnist-exp schema`: what editors are told fits the files of conf/, and no misspelt one."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from invoke import here

from mnist_exp.commands.parser import GROUPS
from mnist_exp.config.json_schema import of_option, of_recipe

CONF = Path(__file__).resolve().parents[2] / "conf"
FILES = [file for group in GROUPS for file in sorted((CONF / group).glob("*.yaml"))]


def valid(schema: dict, text: str) -> bool:
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema).is_valid(yaml.safe_load(text))


def test_every_group_has_a_schema():
    folders = {folder.name for folder in CONF.iterdir() if folder.is_dir()}
    assert {*GROUPS} == folders - {"experiment", "hydra"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}={file.stem}")
def test_an_option_is_valid_in_its_group(file):
    text = file.read_text()
    assert valid(of_option(file.parent.name), text)
    assert not valid(of_option(file.parent.name), f"{text}\nmisspelt: 1\n")


@pytest.mark.parametrize("file", sorted(CONF.glob("experiment/*.yaml")), ids=lambda file: file.stem)
def test_a_recipe_is_valid(file):
    assert valid(of_recipe(), file.read_text())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("optimizer: {learning_rate: 0.01}", True),
        ("optimizer: {learning_rate: '${seed}'}", True),
        ("hydra: {mode: MULTIRUN}", True),
        ("optimizer: {learning_rat: 0.01}", False),
        ("training: {epochs: 0}", False),
        ("training: {precision: float8}", False),
        ("modle: {name: cnn}", False),
    ],
)
def test_a_part_of_a_config_is_valid_where_its_keys_and_values_are(text, expected):
    assert valid(of_recipe(), text) == expected


def test_an_option_without_a_key_is_valid_only_on_top_of_another():
    text = "name: mlp\nhidden_units: [64]\n"
    assert not valid(of_option("model"), text)
    assert valid(of_option("model"), f"defaults: [mlp]\n{text}")


@pytest.mark.parametrize("group", [None, "model"])
def test_the_verb_prints_it(group):
    done = here("schema", *([group] if group else []), check=True)
    assert json.loads(done.stdout) == (of_option(group) if group else of_recipe())


def test_components_of_ones_own_are_among_them():
    file = CONF.parent / "examples" / "components" / "components.py"
    done = here("schema", "model", "--components", str(file), check=True)
    text = (file.parent / "conf" / "model" / "resnet.yaml").read_text()
    assert valid(json.loads(done.stdout), text)
    assert not valid(of_option("model"), text)
