"""Starting and stopping the web process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack

import httpx
import pytest
from prometheus_client import generate_latest

from config.serve import BACKLOG, LISTENERS, listen
from demo.servers import free_port
from live.tests.conftest import DEADLINE, eventually, say


def test_a_shutdown_tells_websockets_to_come_back_and_ends_streams(running):
    running.publish(say("A", 1, 1))
    browser = running.open()
    browser.subscribe()
    url = f"http://{running.address}/api/v1/live?topics=tide:live"
    with httpx.stream("GET", url, timeout=DEADLINE) as stream:
        eventually(lambda: len(running.hub.connections) == 2)
        running.end()
        assert b"tide:live" in stream.read()
    assert browser.close_code() == 1012
    running.thread.join(DEADLINE)
    assert not running.thread.is_alive()


def test_a_port_in_use_is_named_in_one_line():
    port = str(free_port())
    with ExitStack() as stack:
        # As many share it as one process has; another process is refused all the same.
        taken = [stack.enter_context(one) for one in listen("127.0.0.1", int(port))]
        assert len(taken) == LISTENERS
        second = subprocess.run(
            [sys.executable, "-m", "config.serve"],
            env={**os.environ, "PORT": port, "HOST": "127.0.0.1"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert second.returncode == 1
    assert second.stderr == f"Port {port} on 127.0.0.1 is in use. Choose another with PORT=.\n"


def test_a_port_that_is_no_number_is_refused():
    second = subprocess.run(
        [sys.executable, "-m", "config.serve"],
        env={**os.environ, "PORT": "http"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (second.returncode, second.stderr) == (1, "PORT must be a number, not 'http'.\n")


@pytest.mark.skipif(sys.platform != "linux", reason="these options exist on Linux only")
def test_accepted_sockets_inherit_the_limits_of_the_listener():
    with listen("127.0.0.1", 0)[0] as listener:
        listener.setblocking(True)
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            timeout = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            unsent = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
    assert (timeout, unsent) == (10_000, 16_384)
    assert BACKLOG >= 4096


def test_the_figures_are_there_for_prometheus(running):
    running.open().subscribe()
    text = generate_latest().decode()
    assert "quayside_live_clients 1.0" in text
    assert 'quayside_live_subscribers{topic="tide:live"} 1.0' in text
    assert "quayside_live_frames_total" in text


def test_django_answers_what_the_fast_lane_does_not(running):
    answer = httpx.get(f"http://{running.address}/admin/", timeout=DEADLINE)
    assert answer.status_code == 302
    assert "server" not in answer.headers


def test_the_hub_writes_to_the_socket_itself_unless_told_not_to(running, settings):
    browser = running.open()
    running.publish(say("A", 1, 1))
    browser.subscribe()
    (connection,) = running.hub.connections
    assert connection.takes_raw is settings.LIVE_RAW_WRITES
