"""``healthcheck.py web``, ``worker NAME``, ``feed`` or ``beat``: exit code 0 while it works.

A restart helps a process that is stuck, not one whose servers are away: while Valkey does not
answer, a worker counts as well. Feed and beat are judged by a file that each writes itself, so that
one that hangs is found however well another works. Followers of chains say in the database how they
are, and an alert tells.

``--end`` is for containers that nothing restarts while they run, as under compose: after three bad
answers in a row the process is asked to end, at the next one killed, and its container begins anew.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

# Seconds. The feed writes its file each second, beat every three minutes.
FEED_SILENT = 30
BEAT_SILENT = 600
# With `--end`: bad answers in a row, and seconds that a process has to begin.
TOO_MANY = 3
BEGINNING = 180


def web() -> bool:
    address = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/healthz"
    try:
        with urllib.request.urlopen(address, timeout=3) as answer:  # our own address
            return bool(answer.status == 200)
    except OSError:
        return False


def worker(name: str) -> bool:
    import redis

    try:
        redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=2).ping()
    except redis.RedisError:
        return True
    command = ["celery", "-A", "config", "inspect", "ping", "--destination", name]
    # The name that the container was given.
    asked = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)  # noqa: S603
    return asked.returncode == 0


def feed() -> bool:
    return _written(Path(os.environ["HEARTBEAT_FILE"]), FEED_SILENT)


def beat() -> bool:
    file = Path(os.environ["BEAT_SCHEDULE"])
    return any(_written(path, BEAT_SILENT) for path in file.parent.glob(f"{file.name}*"))


def _written(path: Path, within: float) -> bool:
    try:
        return time.time() - path.stat().st_mtime < within
    except FileNotFoundError:
        return False


def end_if_stuck(works: bool, count: Path, process: int) -> None:
    """``count`` holds the bad answers in a row; ``process`` is what the container is for."""
    if works or _age(process) < BEGINNING:
        count.unlink(missing_ok=True)
        return
    bad = 1 + (int(count.read_text()) if count.exists() else 0)
    count.write_text(str(bad))
    if bad >= TOO_MANY:
        os.kill(process, signal.SIGTERM if bad == TOO_MANY else signal.SIGKILL)


def main_process() -> int:
    """The child of the container's init; what runs this check is none of its children."""
    children = Path("/proc/1/task/1/children").read_text().split()
    return int(children[0]) if children else 1


def _age(process: int) -> float:
    """Seconds since it began."""
    began = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19])
    running = float(Path("/proc/uptime").read_text().split()[0])
    return running - began / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    kind, *words = [word for word in sys.argv[1:] if word != "--end"]
    checks: dict[str, Callable[..., bool]]
    checks = {"web": web, "worker": worker, "feed": feed, "beat": beat}
    fine = checks[kind](*words)
    if "--end" in sys.argv:
        end_if_stuck(fine, Path(tempfile.gettempdir()) / f"unhealthy-{kind}", main_process())
    sys.exit(0 if fine else 1)
