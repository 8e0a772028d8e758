"""Deletes the runs that a filter of MLflow's finds, and their models, which MLflow would keep.

    python delete_runs.py "tags.model = 'tiny'"

`mlflow runs restore` brings a run back, without its model; `mlflow gc` deletes both for good.
"""

import sys

from mlflow import MlflowClient

client = MlflowClient()
experiment = client.get_experiment_by_name("mnist")
for run in client.search_runs([experiment.experiment_id], sys.argv[1]):
    for model in run.outputs.model_outputs if run.outputs else []:
        client.delete_logged_model(model.model_id)
    client.delete_run(run.info.run_id)
    print(run.info.run_name)
