"""From the journal to MLflow, during a run and after it."""
