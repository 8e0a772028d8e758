"""The log of a run, where the disk does not take it."""

import resource

from mnist_exp.runs import console


def test_a_full_disk_costs_the_log_one_line_in_the_terminal(sealed_environment, capsys):
    file = sealed_environment / "log.txt"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with console.log_file(file):
        console.logger.info("kept")
        resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size, limits[1]))
        try:
            console.logger.info("lost")
            console.logger.info("lost")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        console.logger.info("kept again")
    said = capsys.readouterr().err
    assert said == f"Lines of {file} are lost: File too large.\n"
    assert "kept again" in file.read_text()
