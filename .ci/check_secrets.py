"""No secret is committed but those that `.secrets.baseline` knows, wherever they stand.

``check_secrets.py [FILE ...]`` looks into these, or into all that git knows. A find that is none is
added with ``detect-secrets scan --baseline .secrets.baseline``, and looked at in the review.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from detect_secrets.core import baseline
from detect_secrets.core.secrets_collection import SecretsCollection

BASELINE = Path(__file__).parent.parent / ".secrets.baseline"


def main(named: list[str]) -> int:
    # Reading it also switches on its detectors and what it leaves out.
    known = baseline.load(baseline.load_from_file(str(BASELINE)), str(BASELINE))
    found = SecretsCollection()
    for name in named or tracked():
        if Path(name).is_file():
            found.scan_file(name)
    hashes = {(name, secret.secret_hash) for name, secret in known}
    new = [(name, secret) for name, secret in found if (name, secret.secret_hash) not in hashes]
    for name, secret in new:
        print(f"{name}:{secret.line_number}: {secret.type}", file=sys.stderr)
    return 1 if new else 0


def tracked() -> list[str]:
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    return [name for name in listed.stdout.split("\0") if name]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
