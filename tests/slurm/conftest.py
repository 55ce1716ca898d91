"""A Slurm cluster of one node with one GPU, started by hand in a folder of its own and stopped at the end."""

import contextlib
import getpass
import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

DAEMONS = ("munged", "slurmctld", "slurmd")
#: The node says it has more than this machine (config_overrides), so that jobs ask for what the profile says.
#: JobAcctGather kills what exceeds its memory: it works in a container too, where cgroups may not.
CONFIG = """
ClusterName=serflow
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=batch_sched_delay=0,bf_interval=2
MinJobAge=3600
KillWait=5
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=64000 Gres=gpu:1
PartitionName=cpu Nodes={host} Default=YES
PartitionName=gpu Nodes={host} PriorityTier=1
PartitionName=urgent Nodes={host} PriorityTier=2
"""


class Cluster:
    """What the tests ask of a cluster: a command's output, its jobs, and to wait for something."""

    def __init__(self, folder):
        self.folder = folder
        path = f"{folder / 'bin'}:{os.environ['PATH']}"
        self.env = os.environ | {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}

    def run(self, *command):
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=True).stdout.strip()

    def jobs(self, rule):
        """The jobs of a rule in the order of their submission: what `scontrol show job` says of each."""
        lines = self.run("scontrol", "show", "job", "-o").splitlines()
        jobs = [dict(field.partition("=")[::2] for field in re.split(r" +(?=[\w:/]+=)", line)) for line in lines]
        found = [job for job in jobs if job.get("Comment", "").startswith(f"rule_{rule}_")]
        return sorted(found, key=lambda job: int(job["JobId"]))

    def wrap(self, program, line):
        """Let a shell line stand before a program of Slurm."""
        file = self.folder / "bin" / program
        file.write_text(f'#!/bin/sh\n{line}\nexec {shutil.which(program)} "$@"\n')
        file.chmod(0o755)

    def fail(self, times):
        """Let squeue fail until it was asked so many times."""
        refused, down = self.folder / "refused", self.folder / "down"
        down.touch()
        self.wait(lambda: refused.exists() and len(refused.read_text()) >= times, "a question for the jobs", 240)
        down.unlink()

    @staticmethod
    def wait(until, what, seconds):
        """What `until` returns, once it is true."""
        end = time.monotonic() + seconds
        while not (found := until()):
            assert time.monotonic() < end, f"{what}: not within {seconds} s"
            time.sleep(0.2)
        return found

    def start(self, command):
        """Start a daemon; its messages go to a file of its name. What is returned stops it."""
        log = self.folder / f"{Path(command[0]).name}.log"
        with log.open("w") as file:
            daemon = subprocess.Popen(command, env=self.env, stdout=file, stderr=file)

        def stop():
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()

        return stop

    def is_idle(self):
        done = subprocess.run(["sinfo", "-h", "-o", "%T"], env=self.env, capture_output=True, text=True, check=False)
        return "idle" in done.stdout

    def end_jobs(self):
        subprocess.run(["scancel", "--user", getpass.getuser()], env=self.env, check=False)
        self.wait(self.is_idle, "the jobs' end", 60)


def free_ports(n):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="session")
def cluster():
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    programs = [shutil.which(name, path=path) for name in DAEMONS]
    if None in programs:
        pytest.fail(
            "Slurm is not installed: `make test-slurm` installs it, as root on Debian or Ubuntu.", pytrace=False
        )
    host = socket.gethostname().split(".")[0]
    with tempfile.TemporaryDirectory(prefix="slurm-") as path, contextlib.ExitStack() as stack:
        folder = Path(path)  # short: a socket's path has at most 107 characters
        folder.chmod(0o755)
        for name in ("bin", "state", "spool"):
            (folder / name).mkdir()
        config = CONFIG.format(folder=folder, host=host, user=getpass.getuser(), ports=free_ports(2))
        (folder / "slurm.conf").write_text(config)
        (folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munged.pid", "seed-file": "munge.seed"}
        cluster = Cluster(folder)
        cluster.wrap("srun", f"export SLURM_CONF={folder}/slurm.conf")  # Snakemake's job step takes it away
        cluster.wrap("squeue", f"[ ! -e {folder}/down ] || {{ echo >> {folder}/refused; exit 1; }}")
        munged, slurmctld, slurmd = programs
        stack.callback(
            cluster.start([munged, "--foreground", *(f"--{key}={folder / file}" for key, file in files.items())])
        )
        cluster.wait((folder / "munge.socket").exists, "munged", 30)
        stack.callback(cluster.start([slurmctld, "-D", "-i"]))
        stack.callback(cluster.start([slurmd, "-D"]))
        cluster.wait(cluster.is_idle, "an idle node", 60)
        stack.callback(cluster.end_jobs)
        yield cluster
