"""Tests that share a desk of their own must run on one worker, or each worker would start one."""

from __future__ import annotations

import os

import pytest

pytestmark = pytest.mark.skipif(
    "PYTEST_XDIST_WORKER" not in os.environ, reason="one process runs every test"
)


@pytest.mark.xdist_group("alone")
def test_a_group_reaches_the_scheduler(request):
    """It does so in the test's id; a release of pytest once dropped it there without a word."""
    assert request.node.nodeid.endswith("@alone")


def test_browser_tests_are_two_groups(request):
    browser = [item.nodeid for item in request.session.items if "tests/e2e/" in item.nodeid]
    assert all(name.endswith(("@browser0", "@browser1")) for name in browser)
