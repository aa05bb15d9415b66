"""``python deploy/grafana/make.py`` writes ``dashboards/*.json``, a page for each kind of process.

Figures that every web process tells alike are taken by ``max``, those of a process by ``sum``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).resolve().parent / "dashboards"
SOURCE: Final = {"type": "prometheus", "uid": "prometheus"}
WIDTH, HEIGHT, COLUMNS = 8, 8, 3


@dataclass(frozen=True)
class Panel:
    """``queries`` maps a legend to its query; ``unit`` is one of Grafana's."""

    title: str
    unit: str
    queries: dict[str, str]
    about: str = ""
    kind: str = "timeseries"


def rate(metric: str, by: str = "", where: str = "", window: str = "5m", over: str = "sum") -> str:
    grouped = f" by ({by})" if by else ""
    return f"{over}{grouped} (rate({metric}{where}[{window}]))"


def quantile(part: float, metric: str, by: str = "", over: str = "sum") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({part}, {over} by ({labels}) (rate({metric}_bucket[5m])))"


def mean(metric: str, by: str = "") -> str:
    """For what is told alike by every web process."""
    return f"{rate(f'{metric}_sum', by, over='max')} / {rate(f'{metric}_count', by, over='max')}"


def up(metric: str, by: str = "") -> str:
    return f"max by ({by}) ({metric})" if by else f"max({metric})"


WEB: Final = [
    Panel("Requests", "reqps", {"{{status}}": rate("quayside_http_requests_total", "status")}),
    Panel(
        "Failing",
        "percentunit",
        {
            "5xx": rate("quayside_http_requests_total", where='{status=~"5.."}')
            + " / "
            + rate("quayside_http_requests_total"),
        },
    ),
    Panel(
        "Time to answer",
        "s",
        {f"p{n}": quantile(n / 100, "quayside_http_request_seconds") for n in (50, 95, 99)},
    ),
    Panel(
        "Slowest views, p95",
        "s",
        {"{{view}}": f"topk(10, {quantile(0.95, 'quayside_http_request_seconds', 'view')})"},
    ),
    Panel("Fast lanes", "reqps", {"{{lane}}": rate("quayside_fast_lane_seconds_count", "lane")}),
    Panel(
        "Fast lanes, p99", "s", {"{{lane}}": quantile(0.99, "quayside_fast_lane_seconds", "lane")}
    ),
    Panel(
        "Fast lanes, refused",
        "reqps",
        {
            "{{path}} {{status}}": rate(
                "quayside_fast_lane_requests_total", "path, status", '{status!~"2..|304"}'
            )
        },
    ),
    Panel(
        "Connections to the database",
        "short",
        {
            "held": "sum(quayside_database_pool_connections)",
            "idle": "sum(quayside_database_pool_idle_connections)",
            "waiting": "sum(quayside_database_pool_waiting)",
        },
        "Nothing where PgBouncer is the pool.",
    ),
    Panel("Behind the primary", "s", {"standby": "max(quayside_replica_lag_seconds)"}),
    Panel("Processes", "short", {"up": 'sum(up{job="quayside"})'}, kind="stat"),
]
LIVE: Final = [
    Panel(
        "Open connections", "short", {"{{instance}}": "sum by (instance) (quayside_live_clients)"}
    ),
    Panel("Subscriptions", "short", {"{{topic}}": "sum by (topic) (quayside_live_subscribers)"}),
    Panel("Frames", "cps", {"written": rate("quayside_live_frames_total")}),
    Panel(
        "Readers that are slow",
        "cps",
        {
            "put off": rate("quayside_live_conflated_total"),
            "socket full": rate("quayside_live_blocked_total"),
        },
        "Not a loss: a slow reader gets the newest value.",
    ),
    Panel(
        "Refused and lost",
        "cps",
        {
            "refused": rate("quayside_live_refused_total"),
            "Valkey again": rate("quayside_live_reconnects_total"),
            "garbled": rate("quayside_live_malformed_total"),
            "out of date": rate("quayside_live_dropped_total"),
        },
    ),
    Panel(
        "Since a publisher spoke",
        "s",
        {"{{topic}}": "max by (topic) (quayside_live_message_age_seconds)"},
    ),
    Panel("Hubs that hear Valkey", "short", {"hubs": "sum(quayside_live_connected)"}, kind="stat"),
    Panel("Messages", "cps", {"from Valkey": rate("quayside_live_messages_total")}),
]
WORKER: Final = [
    Panel(
        "Tasks",
        "cps",
        {"{{state}}": "sum by (state) (max by (task, state) (rate(quayside_tasks_total[5m])))"},
    ),
    Panel(
        "Failing and late",
        "cps",
        {
            "{{task}} {{state}}": rate(
                "quayside_tasks_total", "task, state", '{state!="success"}', over="max"
            )
        },
    ),
    Panel(
        "Time of a task, p95",
        "s",
        {"{{task}}": quantile(0.95, "quayside_task_seconds", "task", "max")},
    ),
    Panel("Waiting", "short", {"{{queue}}": up("quayside_queue_tasks", "queue")}),
    Panel(
        "Since it last succeeded",
        "s",
        {"{{task}}": f"time() - {up('quayside_task_last_success_timestamp_seconds', 'task')}"},
        "Each rises to the pace of its task and falls back.",
    ),
    Panel(
        "Workers' share of time",
        "percentunit",
        {"{{task}}": rate("quayside_task_seconds_sum", "task", over="max")},
    ),
    Panel("Mail that waits", "short", {"mails": up("quayside_mail_waiting")}),
    Panel("Oldest mail", "s", {"age": up("quayside_mail_oldest_age_seconds")}),
]
FEED: Final = [
    Panel("Exchange", "bool_yes_no", {"live": up("quayside_feed_live")}, kind="stat"),
    Panel("Since the leader spoke", "s", {"age": up("quayside_feed_age_seconds")}),
    Panel(
        "Messages of the exchange", "cps", {"read": rate("quayside_feed_frames_total", over="max")}
    ),
    Panel(
        "What was wrong with them",
        "cps",
        {
            "garbled": rate("quayside_feed_bad_frames_total", over="max"),
            "out of order": rate("quayside_feed_out_of_order_total", over="max"),
        },
    ),
    Panel("Time to publish", "s", {"mean": mean("quayside_feed_write_seconds")}),
    Panel("Publishing", "cps", {"writes": rate("quayside_feed_write_seconds_count", over="max")}),
    Panel(
        "Dialling",
        "cps",
        {
            "dials": rate("quayside_feed_dials_total", over="max"),
            "again": rate("quayside_feed_reconnects_total", over="max"),
        },
    ),
    Panel("Leaders so far", "short", {"epoch": up("quayside_feed_epoch")}),
    Panel("Version of the spreads in force", "short", {"version": up("quayside_feed_applied_v")}),
]
CHAIN: Final = [
    Panel("Followed", "bool_yes_no", {"{{chain}}": up("quayside_chain_ok", "chain")}, kind="stat"),
    Panel(
        "Age of the newest block",
        "s",
        {"{{chain}}": up("quayside_chain_head_age_seconds", "chain")},
    ),
    Panel("Blocks", "cps", {"{{chain}}": "max by (chain) (deriv(quayside_chain_head_number[5m]))"}),
    Panel(
        "Time to apply a block, p95",
        "s",
        {"{{chain}}": quantile(0.95, "quayside_chain_apply_seconds", "chain", "max")},
    ),
    Panel("Newest block", "short", {"{{chain}}": up("quayside_chain_head_number", "chain")}),
    Panel(
        "Taken back",
        "short",
        {"{{chain}}": "max by (chain) (increase(quayside_chain_reorgs_total[1h]))"},
        "Times in an hour.",
    ),
    Panel(
        "Deepest reorg", "short", {"{{chain}}": up("quayside_chain_reorg_depth_blocks", "chain")}
    ),
    Panel(
        "Failed probes in a row",
        "short",
        {"{{chain}} {{node}}": up("quayside_chain_endpoint_failures", "chain, node")},
    ),
    Panel(
        "History to be read",
        "short",
        {"{{chain}} {{state}}": up("quayside_backfill_jobs", "chain, state")},
    ),
    Panel(
        "Halted", "bool_yes_no", {"{{chain}}": up("quayside_chain_halted", "chain")}, kind="stat"
    ),
    Panel("Balances that differed", "short", {"so far": up("quayside_balance_mismatches_total")}),
]
EVENTS: Final = [
    Panel(
        "Events",
        "cps",
        {"{{kind}} {{result}}": rate("quayside_events_total", "kind, result")},
        "Accepted are counted once; duplicates were counted before.",
    ),
    Panel("Single events", "reqps", {"{{status}}": rate("quayside_event_puts_total", "status")}),
    Panel("Waiting for their commit", "short", {"events": "sum(quayside_event_queue)"}),
    Panel(
        "Time of a commit",
        "s",
        {f"p{n}": quantile(n / 100, "quayside_event_commit_seconds") for n in (50, 95, 99)},
    ),
    Panel("Commits", "cps", {"groups": rate("quayside_event_commit_seconds_count")}),
    Panel("Age of a board", "s", {"{{period}}": up("quayside_board_age_seconds", "period")}),
    Panel("Organisations", "short", {"{{period}}": up("quayside_board_organisations", "period")}),
]
COINS: Final = [
    Panel(
        "Answering",
        "bool_yes_no",
        {"{{source}}": up("quayside_coin_source_ok", "source")},
        kind="stat",
    ),
    Panel(
        "Since it answered", "s", {"{{source}}": up("quayside_coin_source_age_seconds", "source")}
    ),
    Panel(
        "Failures in a row", "short", {"{{source}}": up("quayside_coin_source_failures", "source")}
    ),
    Panel(
        "Credits left this month",
        "short",
        {"{{source}}": up("quayside_coin_source_credits_left", "source")},
    ),
    Panel(
        "Lists too short to serve",
        "short",
        {"withheld": "max(increase(quayside_coin_lists_withheld_total[15m]))"},
        "Merges in 15 minutes; the list before them stays.",
    ),
    Panel("Calls of webhooks that wait", "short", {"calls": up("quayside_webhook_calls_waiting")}),
    Panel("Oldest call that waits", "s", {"age": up("quayside_webhook_oldest_age_seconds")}),
    Panel(
        "Calls of webhooks",
        "cps",
        {"{{outcome}}": rate("quayside_webhook_calls_total", "outcome", over="max")},
    ),
]
PAGES: Final = {
    "web": ("Quayside: web", WEB),
    "live": ("Quayside: live pushes", LIVE),
    "worker": ("Quayside: workers and beat", WORKER),
    "feed": ("Quayside: feed", FEED),
    "chain": ("Quayside: chains and backfill", CHAIN),
    "events": ("Quayside: events and boards", EVENTS),
    "coins": ("Quayside: sources of coins", COINS),
}


def page(name: str) -> dict[str, Any]:
    title, panels = PAGES[name]
    return {
        "uid": f"quayside-{name}",
        "title": title,
        "tags": ["quayside"],
        "timezone": "utc",
        "schemaVersion": 41,
        "editable": False,
        "refresh": "15s",
        "time": {"from": "now-3h", "to": "now"},
        "links": [
            {"type": "dashboards", "tags": ["quayside"], "asDropdown": True, "title": "Quayside"}
        ],
        "panels": [_panel(place, panel) for place, panel in enumerate(panels)],
    }


def _panel(place: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(place, COLUMNS)
    return {
        "id": place + 1,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(65 + i), "datasource": SOURCE, "legendFormat": legend, "expr": query}
            for i, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def text(name: str) -> str:
    return json.dumps(page(name), indent=1) + "\n"


if __name__ == "__main__":
    for name in PAGES:
        (FOLDER / f"{name}.json").write_text(text(name))
