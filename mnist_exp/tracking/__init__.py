"""The record of runs: a journal in the job folder, MLflow as the truth.

names      of tags and artifacts
records    a run as it was read, in plain values
journal/   what a run wrote, in its job folder
mlflow/    every call of MLflow
sync/      journal -> MLflow, during a run and after it
read/      recorded runs, found and read with distrust
recorder   a run's own door: into the journal, and from there to MLflow
"""
