# SPDX-License-Identifier: GPL-3.0-or-later
"""contrib/convert: configurations of keepalived and conntrackd become one that
statesyncd takes, and what could not go over is said with file and line."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab import BUILD

ROOT = Path(__file__).resolve().parents[2]
CONVERT = ROOT / "contrib/convert/convert.py"
FROM = Path(__file__).parent / "migrate"
CASES = {
    "pair": ["--conntrackd", "pair.conntrackd.conf"],
    "unicast": ["--conntrackd", "multicast.conntrackd.conf",
                "--peer-address", "192.168.100.101"],
    "active": ["--conntrackd", "pair.conntrackd.conf"],
    "keep": ["--conntrackd", "pair.conntrackd.conf", "--keep-keepalived"],
}


def daemon():
    path = BUILD / "syncd/statesyncd"
    if not path.exists():
        pytest.skip("%s is not built" % path)
    return path


def convert(etc, *argv):
    """(exit status, the file, what was said)"""
    p = subprocess.run([sys.executable, "-B", CONVERT, "--etc", etc, "--peer",
                        "fw2", *argv], cwd=FROM, capture_output=True,
                       text=True)
    return p.returncode, p.stdout, p.stderr


def run(case, etc):
    source = {"keep": "pair"}.get(case, case) + ".keepalived.conf"
    return convert(etc, "--keepalived", source, *CASES[case])


@pytest.fixture
def etc(tmp_path):
    for name, text in (("link.key", subprocess.run(
            [daemon().parent / "statesync", "genkey"], text=True, check=True,
            capture_output=True).stdout), ("carp.pass", "secret\n")):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(text)
    return tmp_path


def accepted(etc, text):
    """What statesyncd -n says of it."""
    path = etc / "statesync.conf"
    path.write_text(text)
    p = subprocess.run([daemon(), "-n", "-f", path], capture_output=True,
                       text=True)
    assert p.returncode == 0, text + p.stdout + p.stderr
    return p.stdout + p.stderr


@pytest.mark.parametrize("case", CASES)
def test_the_result_is_a_configuration(etc, case):
    code, text, said = run(case, etc)
    assert code == (1 if case in ("unicast", "active") else 0), said
    vhosts = {"pair": 2, "unicast": 1, "active": 2, "keep": 1}[case]
    assert "%d vhost" % vhosts in accepted(etc, text)
    # nothing is said without saying where
    for line in said.splitlines():
        assert re.match(r"\w+\.\w+\.conf:\d+: (lost|look): ", line), line


def test_the_values_are_those_of_before(etc):
    text = run("pair", etc)[1]
    for line in ('node = "fw1"', "vhid = 2", "advskew = 104",
                 'addresses = { "10.1.0.1/24", "10.1.0.2/24" }',
                 'address = { "10.9.0.2", "10.9.1.2" }', # Default goes first
                 "announce-refresh = 60s", 'interface "eth1" {',
                 'via = "192.0.2.13" metric = 5', "weight = 20",
                 "event-buffer = 64M", "preempt = true"):
        assert line in text, line
    assert "independent" not in text # they are a group
    # connections through the shared address are what this is for
    assert '"192.0.2.1"' not in text.partition("sync {")[2]


def test_more_values(etc):
    text = run("unicast", etc)[1]
    for line in ('node = "gw-a"', "preempt = false", "advbase = 0",
                 'peer = { "10.0.0.12", "10.0.0.13" }',
                 'process "unbound" { weight = 30 }', "priority = 500",
                 'addresses = { "10.0.0.10/32" }',
                 'address = { "192.168.100.101" }',
                 'protocol = { "udp", "icmp" }', 'state = { "closing" }',
                 'source = { "10.0.0.0/8", "2001:db8::/32" }'):
        assert line in text, line
    text = run("active", etc)[1]
    assert "independent = true" in text and "preempt-delay = 30s" in text
    assert '"10.1.22.1/24"' in text and '"10.1.21.1/24"' not in text


def test_what_is_lost_is_said(etc):
    said = run("unicast", etc)[2]
    source = (FROM / "unicast.keepalived.conf").read_text().splitlines()
    for word in ("notify /usr", "virtual_server"):
        line = 1 + next(i for i, s in enumerate(source) if word in s)
        assert "unicast.keepalived.conf:%d: lost: " % line in said, said
    assert "multicast.conntrackd.conf:25: lost: Protocol Ignore: protocol " \
           "OSPF" in said
    assert "lost: Helper" in said
    said = run("active", etc)[2]
    assert "lost: track_file" in said and "lost: 10.1.21.1/24" in said
    code, text, said = convert(etc, "--conntrackd",
                               "multicast.conntrackd.conf")
    assert code == 1 and "--peer-address" in said


def test_what_cannot_be_read(etc, tmp_path):
    for text, why in (("vrrp_instance a {\n  interface eth0\n", ":1: { is"),
                      ("a\n}\n", ":2: } without {"),
                      ("a \"b\n", ":1: No closing quotation")):
        path = tmp_path / "broken.conf"
        path.write_text(text)
        code, out, said = convert(etc, "--keepalived", str(path))
        assert (code, out) == (2, "") and why in said, said
    assert convert(etc, "--keepalived", "/nowhere")[0] == 2


@pytest.mark.skipif(not shutil.which("keepalived"), reason="no keepalived")
@pytest.mark.parametrize("case", ["pair", "unicast", "active"])
def test_keepalived_knows_the_words_of_the_samples(case, tmp_path):
    """They are what they pretend to be. Interfaces and scripts need not be
    there."""
    p = subprocess.run(["keepalived", "-t", "-P", "-l", "-f",
                        FROM / (case + ".keepalived.conf")],
                       capture_output=True, text=True)
    assert "Unknown keyword" not in p.stdout + p.stderr, p.stderr


@pytest.mark.parametrize("name", ["keepalived", "examples/bird"])
def test_the_files_beside_are_configurations_too(etc, name):
    text = (ROOT / "contrib" / name / "statesync.conf").read_text()
    accepted(etc, 'node = "fw1"\n' + text.replace("/etc/statesync", str(etc)))
