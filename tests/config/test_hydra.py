"""What Hydra and its launchers raise, in words."""

import errno
import os

import pytest

from mnist_exp.config.hydra import hydra_errors
from mnist_exp.core.errors import ExperimentError


def test_processes_that_cannot_start_are_no_folder_that_cannot_be_made():
    problem = BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))  # as fork has it
    words = r"start the processes.*temporarily unavailable"
    with pytest.raises(ExperimentError, match=words), hydra_errors():
        raise problem
