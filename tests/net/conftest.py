# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: a laboratory for each test, and the pair of daemons in it."""

import os
import platform
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import limits  # noqa: E402
import matrix  # noqa: E402
from lab import Lab, catch_signals  # noqa: E402
from pair import Pair  # noqa: E402
from trio import Trio  # noqa: E402


def pytest_configure(config):
    catch_signals()
    os.umask(0o022) # a configuration that a group may write is refused
    for marker, meaning in (
            ("quick", "runs in tests/run.sh and .ci/run"),
            ("full", "runs in .ci/full"),
            ("long", "runs in .ci/long"),
            ("flows(n)", "the largest table of the test"),
            ("matrix(row, column)", "a cell of the fidelity matrix; the"
             " kind of failover is the test's parameter way"),
            ("lab(gateways=2, links=1)", "how many of them it has"),
            ("limit(s)", "seconds that the test may take, 90 otherwise")):
        config.addinivalue_line("markers", "%s: %s" % (marker, meaning))


def pytest_collection_modifyitems(items):
    """Every test belongs to a tier: without a word to the quick one."""
    for item in items:
        if not any(item.get_closest_marker(m)
                   for m in ("quick", "full", "long")):
            item.add_marker(pytest.mark.quick)


def why_not():
    """Why this machine cannot run the network tests; None when it can."""
    if os.geteuid():
        return "network namespaces need root"
    release = tuple(int(x) for x in platform.release().split(".")[:2])
    if release < (5, 16):
        return "kernel %s has no netdev egress hook (5.16)" % (release,)
    if not limits.available():
        return "no nf_conntrack in this kernel"
    return None


@pytest.fixture(autouse=True)
def limit(request):
    """A test that hangs fails, with where it hung; the next one runs."""
    def too_long(_signum, _frame):
        raise AssertionError("the test takes longer than %d s" % seconds)
    marker = request.node.get_closest_marker("limit")
    slow = request.node.get_closest_marker("quick") is None
    seconds = marker.args[0] if marker else 600 if slow else 90
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(seconds)
    yield
    signal.alarm(0)


@pytest.fixture
def lab(request, limit):
    reason = why_not()
    if reason:
        pytest.skip(reason)
    marker = request.node.get_closest_marker("flows")
    more = request.node.get_closest_marker("lab")
    with Lab(flows=marker.args[0] if marker else 20000,
             **(more.kwargs if more else {})) as made:
        yield made
        report = getattr(request.node, "report", None)
        if report is not None and report.failed:
            for node in made.nodes.values():
                print("---- %s\n%s" % (node.name, node.tail(60)))


@pytest.fixture
def pair(lab):
    return Pair(lab)


@pytest.fixture
def trio(lab):
    return Trio(lab)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if call.when != "call":
        return
    item.report = report
    marker = item.get_closest_marker("matrix")
    if marker:
        params = item.callspec.params if hasattr(item, "callspec") else {}
        matrix.take(*marker.args, params.get("way", "handover"), report)
    report.user_properties.append(("matrix", matrix.news()))


def pytest_runtest_logreport(report):
    """Also in the process that only hears of what others ran."""
    if report.when == "call":
        matrix.fill(dict(report.user_properties)["matrix"])


def pytest_terminal_summary(terminalreporter):
    """The fidelity matrix stands at the end of every run that filled it."""
    lines = matrix.table()
    if lines:
        terminalreporter.section("fidelity")
        for line in lines:
            terminalreporter.write_line(line)
