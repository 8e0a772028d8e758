"""Tags of an experiment itself, which every command that records in it can read and write."""

from typing import Any

from mnist_exp.tracking.mlflow import connection


class ExperimentTags:
    """Those of one experiment whose names begin alike. All raise what the store raises."""

    def __init__(self, client: Any, uri: str, experiment: str, prefix: str) -> None:
        """Finds the experiment, which is made where it is absent.

        Args:
            client: an `MlflowClient`.
            uri: of its store.
            experiment: its name.
            prefix: of the tags' names, which is left out here.

        Raises:
            ExperimentError: it was deleted.
        """
        self._client = client
        found = connection.experiment_id(client, uri, experiment, create=True)
        assert found is not None
        self._id = found
        self._prefix = prefix

    def read(self) -> dict[str, str]:
        """Returns the name of each tag -> its text."""
        tags = self._client.get_experiment(self._id).tags
        return {
            name.removeprefix(self._prefix): text
            for name, text in tags.items()
            if name.startswith(self._prefix)
        }

    def write(self, name: str, text: str) -> None:
        """Sets a tag."""
        self._client.set_experiment_tag(self._id, self._prefix + name, text)

    def remove(self, name: str) -> None:
        """Takes a tag away; one that is gone is fine."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.delete_experiment_tag(self._id, self._prefix + name)
        except MlflowException as problem:
            if problem.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
