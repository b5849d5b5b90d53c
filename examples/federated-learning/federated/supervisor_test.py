import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from federated.supervisor import Supervisor

ENVIRONMENT = {"PATH": os.environ["PATH"]}


def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return status != "Z"


def test_starts_again_what_ends(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Supervisor() as supervisor:
        supervisor.start("one", ["sh", "-c", "echo started; exit 5"], ENVIRONMENT, log)
        eventually(lambda: log.read_text().count("started") >= 2)
        assert supervisor.starts("one") >= 2


def test_children_end_with_their_service(tmp_path: Path) -> None:
    log = tmp_path / "log"
    # A parent that would leave its child behind, as a SIGKILLed one does.
    script = "sleep 600 & echo $!; wait"
    with Supervisor() as supervisor:
        supervisor.start("one", ["sh", "-c", script], ENVIRONMENT, log)
        eventually(lambda: log.read_text().count("\n") == 1)
        first = int(log.read_text().split()[0])
        supervisor.kill("one")
        eventually(lambda: log.read_text().count("\n") == 2)
        second = int(log.read_text().split()[1])
        assert not is_running(first)
        assert is_running(second)
    assert not is_running(second)


def test_what_is_stopped_stays_so_until_resumed(tmp_path: Path) -> None:
    with Supervisor() as supervisor:
        supervisor.start("one", ["sleep", "600"], ENVIRONMENT, tmp_path / "log")
        supervisor.stop("one")
        time.sleep(1.5)  # longer than the first pause before a restart
        assert supervisor.starts("one") == 1
        supervisor.resume("one")
        assert supervisor.starts("one") == 2


def test_what_ignores_sigterm_is_killed_at_the_end(tmp_path: Path) -> None:
    program = f"import signal; signal.signal({int(signal.SIGTERM)}, signal.SIG_IGN); import time\nprint('up', flush=True)\ntime.sleep(600)"
    log = tmp_path / "log"
    with Supervisor() as supervisor:
        supervisor.start("one", [sys.executable, "-c", program], ENVIRONMENT, log)
        eventually(lambda: "up" in log.read_text())
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert program.splitlines()[0] not in listed.stdout
