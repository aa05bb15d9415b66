"""``healthcheck.py web``, ``feed`` or ``beat``: exit code 0 while that process works.

A restart helps a process that is stuck, not one whose servers are away: while Valkey does not
answer, the feed counts as well. Followers of chains and workers are not asked here: the first say
in the database how they are, the second answer ``celery inspect ping``.
"""

import os
import sys
import time
import urllib.request
from pathlib import Path

# Seconds. The leading feed speaks each second, and a standby takes over within seven.
FEED_SILENT = 30
# Beat writes its file every three minutes.
BEAT_SILENT = 600


def web() -> bool:
    address = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/healthz"
    with urllib.request.urlopen(address, timeout=3) as answer:  # our own address
        return bool(answer.status == 200)


def feed() -> bool:
    import redis

    try:
        client = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=2)
        beat, (now, _) = client.hget("rates:feed", "beat"), client.time()
    except redis.RedisError:
        return True
    return beat is not None and now - float(beat) < FEED_SILENT


def beat() -> bool:
    written = Path(os.environ["BEAT_SCHEDULE"]).parent.glob(
        f"{Path(os.environ['BEAT_SCHEDULE']).name}*"
    )
    return any(time.time() - path.stat().st_mtime < BEAT_SILENT for path in written)


if __name__ == "__main__":
    check = {"web": web, "feed": feed, "beat": beat}[sys.argv[1]]
    sys.exit(0 if check() else 1)
