"""What is settled before anything starts: ports, secrets, and what is in the way."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from urllib.parse import urlsplit

import psutil
import pytest

from demo import chain_node, leftovers, prepare, reset, servers
from demo.home import DemoError, Home, write_private


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


@pytest.fixture
def taken():
    """A port on which another program listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def port_of(values, name):
    return urlsplit(values[name]).port


def free():
    return {"PORT": str(servers.free_port())}


def test_a_busy_port_is_named_with_the_way_out(home, taken):
    with pytest.raises(DemoError, match=f"Port {taken} is in use.*make up PORT="):
        prepare.prepare(home, {"PORT": str(taken)})


@pytest.mark.parametrize("written", ["http", "0", "70000", "-1", "8000x"])
def test_a_port_that_is_none_is_refused(home, written):
    with pytest.raises(DemoError, match="is not a port"):
        prepare.prepare(home, {"PORT": written})


def test_unknown_sources_are_refused(home):
    with pytest.raises(DemoError, match="simulated or live"):
        prepare.prepare(home, {**free(), "SOURCES": "guessed"})


def test_a_second_run_keeps_secrets_and_ports(home):
    first = prepare.prepare(home, free())
    second = prepare.prepare(home, {"PORT": first["PORT"]})
    assert first == second
    assert home.read_env() == first


def test_a_port_that_was_taken_meanwhile_is_replaced(home):
    first = prepare.prepare(home, free())
    with socket.create_server(("127.0.0.1", port_of(first, "DATABASE_URL"))):
        second = prepare.prepare(home, {"PORT": first["PORT"]})
    assert port_of(first, "DATABASE_URL") != port_of(second, "DATABASE_URL")
    assert urlsplit(first["DATABASE_URL"]).password == urlsplit(second["DATABASE_URL"]).password


def test_every_server_has_a_port_of_its_own(home):
    values = prepare.prepare(home, free())
    ports = {port_of(values, "DATABASE_URL"), port_of(values, "REDIS_URL")}
    assert len(ports | {int(values["SIMULATORS_PORT"]), int(values["CHAIN_PORT"])}) == 4


def test_the_local_chain_is_told_to_every_process(home):
    values = prepare.prepare(home, free())
    (chain,) = json.loads(values["QUAYSIDE_CHAINS"])
    assert (chain["id"], chain["name"]) == (31337, "Local chain (simulated)")
    assert chain["rpc"] == [f"http://127.0.0.1:{values['CHAIN_PORT']}"]
    assert home.read_env()["QUAYSIDE_CHAINS"] == values["QUAYSIDE_CHAINS"]


def test_chains_that_somebody_configured_are_left_alone(home):
    values = prepare.prepare(home, {**free(), "QUAYSIDE_CHAINS": "[]"})
    assert not {"QUAYSIDE_CHAINS", "CHAIN_PORT"} & set(values)


def test_without_a_node_the_chain_is_missing_and_the_rest_is_not(home, monkeypatch, capsys):
    monkeypatch.setattr(chain_node, "find", lambda: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    values = prepare.prepare(home, free())
    assert not {"QUAYSIDE_CHAINS", "CHAIN_PORT"} & set(values)
    assert "No local chain: needs npm" in capsys.readouterr().out


def test_an_installation_that_fails_says_so(home, monkeypatch, capsys):
    monkeypatch.setattr(chain_node, "find", lambda: None)
    monkeypatch.setattr(shutil, "which", lambda name: name)

    def fail():
        raise subprocess.TimeoutExpired("npm", 1)

    monkeypatch.setattr(chain_node, "npm_ci", fail)
    prepare.prepare(home, free())
    assert "No local chain: npm could not install it (TimeoutExpired)" in capsys.readouterr().out


def test_live_sources_follow_public_chains(home):
    values = prepare.prepare(home, {**free(), "SOURCES": "live"})
    assert [chain["id"] for chain in json.loads(values["QUAYSIDE_CHAINS"])] == [1, 8453]
    assert "CHAIN_PORT" not in values


def test_live_sources_leave_the_exchange_at_its_own_address(home):
    values = prepare.prepare(home, {**free(), "SOURCES": "live"})
    assert values["QUAYSIDE_SOURCES"] == "live"
    assert "KRAKEN_WS_URL" not in values


def test_data_without_their_password_ask_for_a_reset(home):
    home.postgres.mkdir(parents=True)
    with pytest.raises(DemoError, match="make reset"):
        prepare.prepare(home, free())


def test_what_is_written_is_for_its_owner_only(home):
    prepare.prepare(home, free())
    assert stat.S_IMODE(home.env_file.stat().st_mode) == 0o600


def test_writing_replaces_a_file_whose_mode_was_open(tmp_path):
    path = tmp_path / "secret"
    path.write_text("old")
    write_private(path, "new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o600)


def test_one_folder_has_one_supervisor(home):
    with home.lock(), pytest.raises(DemoError, match="already runs"):
        prepare.prepare(home, free())


def test_reset_removes_everything_but_not_under_a_running_desk(home):
    prepare.prepare(home, free())
    with home.lock(), pytest.raises(DemoError, match="stop it first"):
        reset.reset(home)
    reset.reset(home)
    assert not home.root.exists()


def test_processes_of_a_killed_run_are_ended_and_others_are_not(home):
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    ours = {**os.environ, leftovers.RUN_MARKER: "1", "QUAYSIDE_HOME": str(home.root)}
    left, other = subprocess.Popen(sleep, env=ours), subprocess.Popen(sleep)
    try:
        prepare.prepare(home, free())
        assert not psutil.pid_exists(left.pid)
        assert other.poll() is None
    finally:
        other.kill()
        left.wait()
        other.wait()
