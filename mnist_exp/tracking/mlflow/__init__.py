"""Every call of MLflow."""
