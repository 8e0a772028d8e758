"""Deletes the runs that a filter of MLflow's finds, and their models, which MLflow would keep.

    python delete_runs.py "tags.model = 'tiny'"

`mlflow runs restore` brings a run back, without its model; `mlflow gc` deletes both for good.
"""

import os
import sys

import mlflow

name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "mnist")
client = mlflow.MlflowClient()
for run in mlflow.search_runs(
    experiment_names=[name], filter_string=sys.argv[1], output_format="list"
):
    for model in run.outputs.model_outputs if run.outputs else []:
        client.delete_logged_model(model.model_id)
    client.delete_run(run.info.run_id)
    print(run.info.run_name)
