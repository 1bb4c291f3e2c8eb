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
    "notify": [],
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
    assert code == (0 if case in ("pair", "keep") else 1), said
    vhosts = {"unicast": 1, "keep": 1}.get(case, 2)
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
    for word, kind in (("notify /usr", "look"), ("virtual_server", "lost")):
        line = 1 + next(i for i, s in enumerate(source) if word in s)
        assert "unicast.keepalived.conf:%d: %s: " % (line, kind) in said, said
    assert "multicast.conntrackd.conf:25: lost: Protocol Ignore: protocol " \
           "OSPF" in said
    assert "lost: Helper" in said
    said = run("active", etc)[2]
    assert "lost: track_file" in said and "lost: 10.1.21.1/24" in said
    code, text, said = convert(etc, "--conntrackd",
                               "multicast.conntrackd.conf")
    assert code == 1 and "--peer-address" in said


def command_of(text, role):
    """What statesyncd makes of the value."""
    value = re.search(r"^%s = '((?:[^'\\]|\\.)*)'$" % role, text, re.M)
    return re.sub(r"\\(['\\])", r"\1", value[1]) if value else None


def told(tmp_path, command, carp):
    """How the programs that a command runs were called: name and words."""
    bin = tmp_path / "bin"
    bin.mkdir(exist_ok=True)
    for name in ("TELL", "runuser"):
        (bin / name).write_text(
            "#!/bin/sh\nprintf '%%s' %s >>\"$OUT\"\n"
            "printf '|%%s' \"$@\" >>\"$OUT\"\necho >>\"$OUT\"\n" % name)
        (bin / name).chmod(0o755)
    out = tmp_path / "out"
    out.write_text("")
    subprocess.run(["sh", "-c", command], check=True, env={
        "PATH": "%s:/usr/bin:/bin" % bin, "OUT": str(out), "HOME": "/x",
        "STATESYNC_CARP": carp})
    return out.read_text().splitlines()


def test_notify_goes_on_as_it_was(etc, tmp_path):
    """Each with the words that keepalived gave it, in its order: those of an
    instance before those of its group, and `notify` last."""
    _, text, said = run("notify", etc)
    assert told(tmp_path, command_of(text, "on-master"), "lan") == [
        "runuser|-u|nobody|--|TELL|it is|q|backslash|${x}|5%",
        "TELL|group|$HOME|two words",
        "TELL|lan|INSTANCE|lan|MASTER|150",
        "TELL|any|GROUP|both|MASTER|0"]
    assert told(tmp_path, command_of(text, "on-backup"), "lan") == [
        "TELL|group", "TELL|lan|INSTANCE|lan|BACKUP|150",
        "TELL|any|GROUP|both|BACKUP|0"]
    assert told(tmp_path, command_of(text, "on-fault"), "lan") == [
        "TELL|a;b", "TELL|lan|INSTANCE|lan|FAULT|150",
        "TELL|any|GROUP|both|FAULT|0"]
    # the group moves at once, and the other member has none of its own
    assert told(tmp_path, command_of(text, "on-master"), "wan") == []
    for line in ("notify_master TELL 'it is'", "STATESYNC_CARP, _FROM, _TO",
                 "name, state and priority"):
        assert re.search("^#.*" + re.escape(line), text, re.M), line
    assert "lost: notify_deleted" in said and "46: lost: notify_stop" in said
    assert ":24:" not in said # what runs on-backup anyhow


def test_notify_of_one_instance(etc, tmp_path):
    text = run("unicast", etc)[1].replace("/usr/local/bin/tell-cloud.sh",
                                          "TELL")
    assert command_of(text, "on-fault") == \
        'TELL INSTANCE "$STATESYNC_CARP" FAULT 110'
    assert told(tmp_path, command_of(text, "on-backup"), "VI_1") == [
        "TELL|INSTANCE|VI_1|BACKUP|110"]
    # conntrackd's own have nothing to do any more; keepalived's stay its own
    assert command_of(run("pair", etc)[1], "on-master") is None
    code, text, said = convert(etc, "--keepalived", "notify.keepalived.conf",
                               "--keep-keepalived")
    assert "\non-" not in text and ": notify" not in said


def test_notify_too_long(etc, tmp_path):
    path = tmp_path / "long.keepalived.conf"
    path.write_text((FROM / "unicast.keepalived.conf").read_text().replace(
        "tell-cloud.sh", "tell-cloud.sh" + 1000 * "x"))
    code, text, said = convert(etc, "--keepalived", str(path))
    assert "more than 1023 bytes; a script" in said
    assert command_of(text, "on-master") is None
    assert "1 vhost" in accepted(etc, text)


SAMPLES = sorted(p for p in Path("/usr/share/doc/keepalived/samples").glob(
    "keepalived.conf.*") if "vrrp_instance" in p.read_text(errors="replace"))


@pytest.mark.skipif(not SAMPLES, reason="no samples of keepalived")
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda p: p.name[16:])
def test_samples_of_keepalived(etc, sample):
    """What its authors show, mistakes and all: what cannot go over is lost,
    the rest is a configuration."""
    code, text, said = convert(etc, "--keepalived", str(sample))
    accepted(etc, text)
    assert (code == 1) == (": lost: " in said)
    wanted = re.findall(r"^\s*notify_(master|backup|fault)\s+\"(\S+)",
                        sample.read_text(), re.M)
    for role, program in wanted:
        assert program in command_of(text, "on-" + role)


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
@pytest.mark.parametrize("case", ["pair", "unicast", "active", "notify"])
def test_keepalived_knows_the_words_of_the_samples(case, tmp_path):
    """They are what they pretend to be. Interfaces and scripts need not be
    there."""
    p = subprocess.run(["keepalived", "-t", "-P", "-l", "-f",
                        FROM / (case + ".keepalived.conf")],
                       capture_output=True, text=True)
    assert "Unknown keyword" not in p.stdout + p.stderr, p.stderr


@pytest.mark.parametrize("name", ["keepalived", "examples/bird",
                                  "examples/frr"])
def test_the_files_beside_are_configurations_too(etc, name):
    text = (ROOT / "contrib" / name / "statesync.conf").read_text()
    accepted(etc, 'node = "fw1"\n' + text.replace("/etc/statesync", str(etc)))
