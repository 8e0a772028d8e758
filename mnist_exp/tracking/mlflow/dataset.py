"""A dataset as MLflow and its UI describe one."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mnist_exp.tracking.journal.events import Dataset

_DIGEST_CHARACTERS = 36  # MLflow's limit
_PIXELS = 28 * 28


def dataset_input(dataset: Dataset) -> Any:
    """Returns the `mlflow.entities.DatasetInput` of what a run reads."""
    from mlflow import entities

    source_type, source = _source(dataset.source)
    images = sum(dataset.sizes.values())
    profile = {"num_rows": images, "num_elements": images * _PIXELS, **dataset.sizes}
    entity = entities.Dataset(
        name=dataset.name,
        digest=dataset.digest[:_DIGEST_CHARACTERS],
        source_type=source_type,
        source=json.dumps(source),
        schema=_schema(),
        profile=json.dumps(profile),
    )
    return entities.DatasetInput(entity, [entities.InputTag("mlflow.data.context", "training")])


def _schema() -> str:
    """Returns images and labels as `mlflow.data` writes the schema of arrays."""
    features = {"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, 28, 28]}}
    targets = {"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1]}}
    arrays = {"features": json.dumps([features]), "targets": json.dumps([targets])}
    return json.dumps({"mlflow_tensorspec": arrays})


def _source(source: str) -> tuple[str, dict[str, Any]]:
    """Returns MLflow's type of a dataset source, and the source as that type writes it."""
    if urlsplit(source).scheme in {"http", "https"}:
        return "http", {"url": source}
    if Path(source).is_absolute():
        return "local", {"uri": source}
    return "code", {"tags": {"mlflow.source.name": source}}
