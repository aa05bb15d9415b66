"""Forms that draw what a service judges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django import forms

from foundation.errors import QuaysideError


class Refusable(forms.Form):
    """A form that can show what a service refused."""

    @contextmanager
    def shows_refusals(self) -> Iterator[None]:
        """What is refused within is shown in the form, and ends the block."""
        try:
            yield
        except QuaysideError as refused:
            self.refuse(refused)

    def refuse(self, refused: QuaysideError) -> None:
        """Show it at the fields that it names, or above the form."""
        named = {name: why for name, why in refused.fields.items() if name in self.fields}
        for name, reasons in named.items():
            for reason in reasons:
                self.add_error(name, reason)
        if not named:
            self.add_error(None, refused.message)
