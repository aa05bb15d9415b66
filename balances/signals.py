"""What happens to balances, told upwards: services send, tasks and pushes follow."""

from __future__ import annotations

from django.dispatch import Signal

# Sent after commit when somebody waits for what a node has to be asked: no arguments. The jobs are
# rows; whoever hears this starts on them now and not at the next turn.
work_queued = Signal()
