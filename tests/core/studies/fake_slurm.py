"""`sbatch`, `srun`, `sacct` and `scancel` over plain processes, as far as submitit calls them.

Installed under those names in a folder of the PATH; FAKE_SLURM is the folder of its state.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path


def main() -> None:
    state = Path(os.environ["FAKE_SLURM"])
    name, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    {"sbatch": sbatch, "srun": srun, "sacct": sacct, "scancel": scancel}[name](state, arguments)


def sbatch(state: Path, arguments: list[str]) -> None:
    script = Path(arguments[0])
    flags = dict(re.findall(r"^#SBATCH --([\w-]+)=(.*)$", script.read_text(), re.MULTILINE))
    if flags.get("partition") == "none":
        sys.exit("sbatch: error: invalid partition specified: none")
    (state / "flags").write_text(repr(flags))
    job = str(100 + len(list(state.glob("job-*"))))
    (state / f"job-{job}").touch()
    last = flags.get("array")
    tasks = range(int(re.match(r"0-(\d+)", last)[1]) + 1) if last else [None]  # type: ignore[index]
    for task in tasks:
        known = {"SLURM_JOB_ID": f"{job}"}
        if task is not None:
            known |= {"SLURM_ARRAY_JOB_ID": job, "SLURM_ARRAY_TASK_ID": str(task)}
        process = subprocess.Popen(
            ["bash", str(script)],
            env=os.environ | known,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        name = job if task is None else f"{job}_{task}"
        (state / f"pid-{name}").write_text(str(process.pid))
    print(f"Submitted batch job {job}")


def srun(state: Path, arguments: list[str]) -> None:
    values = {"%A": "SLURM_ARRAY_JOB_ID", "%a": "SLURM_ARRAY_TASK_ID", "%j": "SLURM_JOB_ID"}
    while arguments[0].startswith("--"):
        option = arguments.pop(0)
        if option in ("--output", "--error"):
            path = arguments.pop(0).replace("%t", "0")
            for tag, variable in values.items():
                path = path.replace(tag, os.environ.get(variable, ""))
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(file, 1 if option == "--output" else 2)
    os.environ |= {"SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
    os.execvp("bash", ["bash", "-c", "exec " + shlex.join(arguments)])


def sacct(state: Path, arguments: list[str]) -> None:
    asked = [arguments[i + 1] for i, a in enumerate(arguments) if a == "-j"]
    print("JobID|State|NodeList")
    for path in state.glob("pid-*"):
        name = path.name.removeprefix("pid-")
        if name.split("_")[0] in asked:
            cancelled = (state / f"cancelled-{name}").exists()
            done = "CANCELLED" if cancelled else "COMPLETED"
            print(f"{name}|{'RUNNING' if _alive(int(path.read_text())) else done}|here")


def scancel(state: Path, arguments: list[str]) -> None:
    (state / f"cancelled-{arguments[0]}").touch()
    os.killpg(int((state / f"pid-{arguments[0]}").read_text()), signal.SIGKILL)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


if __name__ == "__main__":
    main()
