"""Slurm for the tests of sweeps: a cluster of one node, this machine, on loopback ports."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import waiting
from servers import free_port

_PACKAGES = "slurmctld slurmd slurm-client"
_END_SECONDS = 60.0
# It trusts whoever asks, and looks for jobs every second. A job that is queued again must wait
# until its credentials have expired: five seconds at the least.
_SETTINGS = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SlurmdParameters=config_overrides
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs=2
PartitionName=common Nodes=ALL Default=YES State=UP PriorityTier=1 GraceTime=60
PartitionName=urgent Nodes=ALL Default=NO State=UP PriorityTier=2
"""


class Slurm:
    """A running cluster with two CPUs, and without accounting."""

    def __init__(self, settings: Path) -> None:
        """Knows its settings.

        Args:
            settings: the file.
        """
        self.environment = {"SLURM_CONF": str(settings)}

    def call(self, *command: str) -> str:
        """Returns what a command of Slurm says."""
        return subprocess.run(
            command,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=_END_SECONDS,
        ).stdout

    def jobs(self) -> dict[str, str]:
        """Returns batch job -> its state, of those that have not ended."""
        said = self.call("squeue", "--noheader", "--array", "--format=%i %T")
        return dict(line.split() for line in said.splitlines())


@contextmanager
def cluster() -> Iterator[Slurm]:
    """Runs a cluster while the block lasts."""
    slurmctld, slurmd, _ = map(_program, ("slurmctld", "slurmd", "sbatch"))
    user = pwd.getpwuid(os.getuid()).pw_name
    with tempfile.TemporaryDirectory(prefix="slurm") as place, ExitStack() as stack:
        folder = Path(place)
        for name in ("state", "spool"):
            (folder / name).mkdir()
        settings = folder / "slurm.conf"
        settings.write_text(
            _SETTINGS.format(
                folder=folder,
                host=socket.gethostname().partition(".")[0],
                user=user,
                ports=(free_port(), free_port()),
            )
        )
        made, log = Slurm(settings), folder / "log"
        common = ("-D", "-f", str(settings))
        controller = stack.enter_context(_daemon(log, slurmctld, *common))
        waiting.until(lambda: _answers(made), process=controller, what=log.read_text)
        node = stack.enter_context(_daemon(log, slurmd, *common, "-N", "node"))
        look = ("sinfo", "--noheader", "--format=%T")
        waiting.until(lambda: "idle" in made.call(*look), process=node, what=log.read_text)
        try:
            yield made
        finally:
            made.call("scancel", "--user", user)
            waiting.until(lambda: not made.jobs(), what=made.jobs)


def _answers(slurm: Slurm) -> bool:
    with contextlib.suppress(subprocess.SubprocessError):
        return "UP" in slurm.call("scontrol", "ping")
    return False


@contextmanager
def _daemon(log: Path, *command: str) -> Iterator[subprocess.Popen]:
    # It ends with the tests, however they do.
    command = ("setpriv", "--pdeathsig", "TERM", *command)
    with log.open("ab") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(_END_SECONDS)


def _program(name: str) -> str:
    program = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if program is None:
        pytest.fail(f"needs Slurm: apt-get install {_PACKAGES}")
    return program
