"""Follow many addresses at once: ``import_watches FILE``."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from balances.services import bulk
from foundation.errors import QuaysideError


class Command(BaseCommand):
    help = (
        "Watch the addresses of FILE (- for standard input): one a line, or CSV with the columns "
        "address, label and group. Safe to repeat."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--owner", help="User name. Without it they are followed for nobody.")

    def handle(self, *args: Any, **options: Any) -> None:
        owner = self._owner(options["owner"])
        try:
            if options["file"] == "-":
                result = bulk.import_watches(sys.stdin, owner=owner)
            else:
                with Path(options["file"]).open(encoding="utf-8-sig", newline="") as lines:
                    result = bulk.import_watches(lines, owner=owner)
        except (OSError, UnicodeDecodeError) as problem:
            raise CommandError(f"{options['file']} cannot be read: {problem}") from problem
        except QuaysideError as problem:
            raise CommandError(problem.message) from problem
        for line, reason in result.problems:
            self.stderr.write(f"line {line}: {reason}")
        self.stdout.write(f"{result.read} read, {result.new} new, {result.refused} refused")
        if result.refused:
            raise CommandError("Some lines were refused; the others are in.")

    def _owner(self, name: str | None) -> User | None:
        if name is None:
            return None
        try:
            return User.objects.get(username=name)
        except User.DoesNotExist as missing:
            raise CommandError(f"There is no user {name!r}.") from missing
