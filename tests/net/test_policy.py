# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies: commands, in order, as the roles change, in real daemons."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from lab import BUILD, wait_for

ROOT = Path(__file__).resolve().parents[2]
COMPAT = ROOT / "contrib/compat"


@pytest.fixture(autouse=True)
def path(monkeypatch):
    """As installed: our tool and what stands in for ifconfig are found."""
    monkeypatch.setenv("STATESYNC_COMPAT", str(COMPAT))
    monkeypatch.setenv("PATH", "%s:%s" % (BUILD / "syncd", os.environ["PATH"]))


HOME = """
# a home firewall, after the pattern of many
if_up = 'carp0.link.up'
if_down = 'carp0.link.down'
init-state auto
state auto {
	if $if_up
		set-state master
	if $if_down
		set-state backup
}
state master {
	init {
		run "echo flush >> $DIR/did"
		run "sleep 300 & echo dhclient >> $DIR/did"
		run "echo mail >> $DIR/did"
	}
	if $if_down
		set-state backup
	if uplink.link.down
		run "ifconfig -g carp carpdemote"
	if uplink.link.up
		run "ifconfig -g carp -carpdemote 200"
}
state backup {
	init {
		run "echo kill >> $DIR/did; false"
		run "echo route >> $DIR/did"
	}
	if $if_up
		set-state master
}
"""


def give(node, text, **more):
    """The node's policy; $DIR is its directory."""
    file = node.dir / "ifstated.conf"
    file.write_text(text.replace("$DIR", str(node.dir)))
    top = 'policy-file = "%s"' % file
    node.configure(top=top, carps=("lan",), link=False, carp='alias = "carp0"',
                   **more)
    return node


def did(node):
    file = node.dir / "did"
    return file.read_text().split() if file.exists() else []


def policy(node):
    return node.status()["policy"]


def test_a_home_firewall(lab):
    """Auto, master, backup; what a command left running stays; carpdemote
    counts by itself and not below 0."""
    node = give(lab.nodes["gw1"], HOME)
    lab.batch("gw1", "link add uplink type veth peer name far",
              "link set far up", "link set uplink up")
    node.launch().wait_up()
    wait_for("the commands ran", lambda: len(did(node)) >= 5, 20)
    assert did(node) == ["kill", "route", "flush", "dhclient", "mail"]
    assert policy(node)["state"] == "master"
    lab.ip("gw1", "link", "set", "uplink", "down")
    wait_for("demoted", lambda: node.status()["demotion"]["policy"] == 1, 20)
    lab.ip("gw1", "link", "set", "uplink", "up")
    wait_for("no more", lambda: node.status()["demotion"]["policy"] == 0, 20)
    assert node.status()["demotion"]["total"] == 0
    # whoever stops is backup, and the last commands are run
    assert node.stop() == 0
    wait_for("backup at the end",
             lambda: did(node)[5:] == ["kill", "route"], 20)
    left = subprocess.run(["ip", "netns", "pids", lab.ns("gw1")], text=True,
                          capture_output=True).stdout.split()
    names = [Path("/proc/%s/comm" % p).read_text().strip() for p in left]
    assert "sleep" in names, names
    for pid, name in zip(left, names):
        if name == "sleep":
            os.kill(int(pid), 9)
    log = node.log.read_text()
    assert re.search(r"policy, state backup: .*exit status 1", log)


@pytest.mark.full
def test_reload_keeps_the_state(lab):
    node = give(lab.nodes["gw1"], HOME)
    node.launch().wait_up()
    wait_for("master", lambda: len(did(node)) >= 5, 20)
    assert node.tool("reload")[0] == 0
    file = node.dir / "ifstated.conf"
    good = file.read_text()
    file.write_text("<<<<<<< Updated upstream\n" + good)
    code, _, err = node.tool("reload")
    assert code == 1 and "ifstated.conf:1:1: " in err, err
    assert policy(node)["state"] == "master"
    file.write_text(good.replace("echo mail", "echo post"))
    assert node.tool("reload")[0] == 0
    assert policy(node)["state"] == "master"
    time.sleep(0.5)
    assert did(node)[3:] == ["dhclient", "mail"], "init was run again"
    file.write_text("if lan.link.up\n\trun \"true\"\n")
    assert node.tool("reload")[0] == 0
    assert policy(node)["state"] is None


@pytest.mark.full
def test_a_command_may_ask_the_daemon(lab):
    """No deadlock, and the election is not late while one takes long."""
    node = give(lab.nodes["gw1"], """
state a {
	init {
		run "statesync status --json > $DIR/status; echo 1 >> $DIR/did"
		run "statesync demote 2; echo 2 >> $DIR/did; sleep 2"
		run "echo 3 >> $DIR/did"
	}
}
""")
    node.launch().wait_up()
    wait_for("the second runs", lambda: did(node) == ["1", "2"], 20)
    start = time.monotonic()
    assert node.status()["demotion"]["operator"] == 2
    assert time.monotonic() - start < 1.5, "it waits for the command"
    wait_for("all ran", lambda: did(node) == ["1", "2", "3"], 20)


@pytest.mark.full
def test_a_killed_daemon_leaves_no_right_behind(lab):
    """The command that runs on inherited nothing (rules 14)."""
    node = give(lab.nodes["gw1"], "if carp0.link.up\n"
                "\trun \"echo 1 >> $DIR/did; sleep 30\"\n")
    node.launch().wait_up()
    wait_for("it runs", lambda: did(node) == ["1"], 20)
    assert "statesync" in lab.run("gw1", "nft", "list", "tables")
    node.kill()
    wait_for("the table is gone", lambda: "statesync" not in
             lab.run("gw1", "nft", "list", "tables"), 1)
    pids = subprocess.run(["ip", "netns", "pids", lab.ns("gw1")], text=True,
                          capture_output=True).stdout.split()
    for pid in pids:
        os.kill(int(pid), 9)
    assert pids, "the command was killed, too"


@pytest.mark.full
def test_tests_decide(lab):
    """A command every second; its exit status moves the policy on."""
    node = give(lab.nodes["gw1"], """
state primary {
	init
		run "echo primary >> $DIR/did"
	if ! "test -e $DIR/isp" every 1
		set-state failover
}
state failover {
	init
		run "echo failover >> $DIR/did"
	if "test -e $DIR/isp" every 1
		set-state primary
}
""")
    isp = node.dir / "isp"
    isp.touch()
    node.launch().wait_up()
    wait_for("primary", lambda: did(node) == ["primary"], 20)
    isp.unlink()
    wait_for("failover", lambda: did(node)[1:] == ["failover"], 20)
    isp.touch()
    wait_for("primary", lambda: did(node)[2:] == ["primary"], 20)
    causes = [e["cause"] for e in node.status()["history"]]
    assert any("failover -> primary: test" in c for c in causes), causes


def test_notify_without_a_policy(lab):
    """on-master and the others, with what they should know."""
    node = lab.nodes["gw1"]
    say = ("printf '%%s\\n' %s $STATESYNC_NODE $STATESYNC_CARP "
           "$STATESYNC_VHID $STATESYNC_FROM $STATESYNC_TO "
           "\\\"$STATESYNC_CAUSE\\\" $STATESYNC_AT >> " + str(node.dir)
           + "/did")
    node.configure(carps=("lan",), link=False, top="\n".join(
        'on-%s = "%s"' % (w, say % w) for w in ("master", "backup", "fault")))
    node.launch().wait_up()
    lines = lambda: (node.dir / "did").read_text().splitlines() \
        if (node.dir / "did").exists() else []  # noqa: E731
    wait_for("backup, then master", lambda: len(lines()) >= 16, 20)
    assert lines()[:6] == ["backup", "fw1", "lan", "1", "INIT", "BACKUP"]
    assert lines()[8:14] == ["master", "fw1", "lan", "1", "BACKUP", "MASTER"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", lines()[15])
    lab.ip("gw1", "link", "set", "lan", "down")
    wait_for("a fault", lambda: len(lines()) >= 24, 20)
    assert lines()[16:22] == ["fault", "fw1", "lan", "1", "MASTER", "INIT"]


@pytest.mark.full
def test_ifconfig_of_openbsd(lab):
    node = give(lab.nodes["gw1"], "state a {\n}\n")
    node.launch().wait_up()
    wait_for("master", lambda: node.is_all("MASTER"), 20)
    env = dict(os.environ, STATESYNC_SOCKET=str(node.sock))

    def ifconfig(*argv):
        p = subprocess.run([COMPAT / "ifconfig", *argv], text=True, env=env,
                           capture_output=True)
        return p.returncode, p.stdout, p.stderr

    assert ifconfig("-g", "carp", "carpdemote", "5") == (0, "", "")
    assert node.status()["demotion"]["policy"] == 5
    assert ifconfig("-g", "carp", "-carpdemote")[0] == 0
    assert node.status()["demotion"]["policy"] == 4
    for name in ("carp0", "carp1", "carp:lan"):
        code, out, _ = ifconfig(name)
        assert code == 0 and "status: master" in out, (name, out)
    code, _, err = ifconfig("carp0", "advskew", "100")
    assert code == 1 and "carpdemote" in err
    assert ifconfig("carp0", "state", "master") == (0, "", "")
    assert "carp demote count 4" in ifconfig("-g", "carp")[1]
    assert ifconfig("-g", "carp", "carpdemote", "x")[0] == 1
    assert ifconfig("-g", "egress", "carpdemote")[0] == 1


@pytest.mark.full
def test_an_upgrade_goes_on_where_it_was(lab):
    node = give(lab.nodes["gw1"], HOME)
    node.launch().wait_up()
    wait_for("master", lambda: len(did(node)) >= 5, 20)
    wait_for("demoted", lambda: node.status()["demotion"]["policy"] == 1, 20)
    assert node.tool("demote", "--policy", "3")[0] == 0
    node.signal(12)
    wait_for("another process", lambda: "goes on in the place of"
             in node.log.read_text(), 20)
    try:
        assert policy(node)["state"] == "master"
        assert node.status()["demotion"]["policy"] == 4
        time.sleep(0.5)
        assert did(node)[5:] == []
    finally:
        subprocess.run(["ip", "netns", "exec", lab.ns("gw1"), "sh", "-c",
                        "kill -9 $(ip netns pids %s)" % lab.ns("gw1")])


def test_the_example_of_a_router_advertisement(lab):
    text = ROOT / "contrib/examples/router-advertisement.policy"
    node = give(lab.nodes["gw1"], text.read_text())
    p = subprocess.run([node.program("statesyncd"), "-n", "-f",
                        str(node.conf)], text=True, capture_output=True)
    assert p.returncode == 0 and "with 3 states" in p.stdout, p.stderr


def test_the_check_says_what_would_not_work(lab, tmp_path):
    node = give(lab.nodes["gw1"], "if carp410.link.up\n\trun \"pfctl -d\"\n")

    def check(*more):
        p = subprocess.run([node.program("statesyncd"), "-n", *more, "-f",
                            str(node.conf)], text=True, capture_output=True)
        return p.returncode, p.stdout + p.stderr

    code, out = check()
    assert code == 1 and 'add alias = "carp410"' in out, out
    assert "\n    if carp410.link.up\n       ^^^^^^^" in out, out
    file = node.dir / "ifstated.conf"
    file.write_text("if $x\n\trun \"pfctl -d\"\n")
    code, out = check()
    assert code == 1 and "ifstated.conf:1:4: " in out, out
    assert "\n    if $x\n       ^^\n" in out, out
    code, out = check("-D", "x=carp0.link.up")
    assert code == 0 and 'no program "pfctl"' in out, out
    assert "\n    \trun \"pfctl -d\"\n    \t^^^\n" in out, out
    code, out = check("-D", "x=ppp7.link.up")
    assert code == 0 and 'no interface "ppp7"' in out, out
    node.conf.write_text("strict-interfaces = true\n" + node.conf.read_text())
    assert check("-D", "x=ppp7.link.up")[0] == 1
