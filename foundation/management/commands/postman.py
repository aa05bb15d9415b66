"""Write the API as a collection for Postman: ``postman``."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from drf_spectacular.generators import SchemaGenerator

from foundation import postman

COLLECTION = Path("docs") / "quayside.postman_collection.json"


class Command(BaseCommand):
    help = "Write the API's description as a collection that Postman and its like can import."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        default = settings.BASE_DIR / COLLECTION
        parser.add_argument("--file", type=Path, default=default, help="where to (%(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        document = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
        made = postman.collection(document)
        text = json.dumps(made, indent=1, ensure_ascii=False)
        options["file"].write_text(f"{text}\n")
        count = sum(len(folder["item"]) for folder in made["item"])
        self.stdout.write(f"{options['file']}: {count} requests in {len(made['item'])} folders")
