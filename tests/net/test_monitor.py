# SPDX-License-Identifier: GPL-3.0-or-later
"""What watches a pair: metrics, alert rules, dashboard, the check of Nagios,
the page and watch, each with the program that it is for."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from lab import ROOT, wait_for

ADDRESS = "127.0.0.1:9788"
LISTEN = 'metrics = "%s"' % ADDRESS
CONTRIB = ROOT / "contrib"


def need(program):
    path = shutil.which(program)
    if not path:
        pytest.skip("%s is not installed" % program)
    return path


def samples(text):
    """Every line by its name and labels."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            series, value = line.rsplit(" ", 1)
            assert series not in found, "twice: " + series
            found[series] = float(value)
    return found


def metrics(node):
    code, out, err = node.tool("metrics")
    assert code == 0, err
    return samples(out)


def get(lab, host, path="/", *more):
    """Status, headers and body, as curl sees them."""
    out = lab.run(host, "curl", "-si", "-m", "5", *more,
                  "http://%s%s" % (ADDRESS, path))
    head, _, body = out.partition("\n\n")
    return int(head.split()[1]), head, body


def test_metrics_of_a_pair(lab, pair):
    """promtool has nothing to say; the numbers are those of the pair."""
    promtool = need("promtool")
    pair.start(stats=LISTEN)
    lab.tools.fill(200)
    pair.wait_equal()
    out = pair.one.tool("metrics")[1]
    p = subprocess.run([promtool, "check", "metrics"], input=out, text=True,
                       capture_output=True)
    assert p.returncode == 0 and not p.stdout + p.stderr, p
    mine, theirs = samples(out), metrics(pair.two)
    assert mine.keys() == {k.replace('"fw1"', '"fw2"') for k in theirs} or {
        k.replace('peer="fw2"', "") for k in mine} == {
        k.replace('peer="fw1"', "") for k in theirs}
    for vhost, vhid in (("lan", 1), ("wan", 2)):
        state = ('statesync_carp_state{carp="%s",vhid="%d",interface="%s",'
                 'state="master"}' % (vhost, vhid, vhost))
        assert (mine[state], theirs[state]) == (1, 0)
    assert mine['statesync_peer_in_sync{peer="fw2"}'] == 1
    assert theirs["statesync_flows_applied_total"] >= 200
    acks = 'statesync_peer_ack_seconds_%s{peer="fw2"%s}'
    assert mine[acks % ("count", "")] > 0
    assert mine[acks % ("count", "")] == mine[acks % ("bucket",
                                                      ',le="+Inf"')]
    assert abs(mine["process_start_time_seconds"] - time.time()) < 60
    sent = 'statesync_carp_adverts_sent_total{carp="lan",vhid="1",' \
           'family="ipv4"}'
    wait_for("adverts are counted", lambda: metrics(pair.one)[sent] > mine[
        sent])
    assert theirs[sent] == 0
    assert theirs[sent.replace("sent", "received")] > 0
    status, head, body = get(lab, "gw1", "/metrics")
    assert status == 200 and "text/plain; version=0.0.4" in head
    assert samples(body).keys() == mine.keys()
    names_are_there(out)
    handover_is_seen(pair, mine)


def names_are_there(text):
    """Whatever a rule or a panel asks for is exported."""
    there = set(re.findall(r"^# TYPE (\w+)", text, re.M))
    there |= {n + s for n in there for s in ("_bucket", "_sum", "_count")}
    rules = (CONTRIB / "prometheus/statesync.rules.yml").read_text()
    board = (CONTRIB / "grafana/statesync.json").read_text()
    name = r"\b((?:statesync|process)_[a-z_]+)\b"
    asked = set(re.findall(name, " ".join(re.findall(r"expr: (.*)", rules))))
    assert len(asked) > 15 and asked <= there, asked - there
    asked = set(re.findall(name, board)) - {"statesync_"}
    assert len(asked) > 15 and asked <= there, asked - there


def handover_is_seen(pair, before):
    assert pair.one.tool("handover")[0] == 0
    pair.wait_master(pair.two)
    entered = 'statesync_carp_transitions_total{carp="lan",vhid="1",' \
              'state="%s"}'
    now = metrics(pair.one)
    assert now[entered % "backup"] == before[entered % "backup"] + 1
    now = metrics(pair.two)
    assert now[entered % "master"] == 1
    took = 'statesync_carp_last_takeover_duration_seconds{carp="lan",' \
           'vhid="1"}'
    assert 0 < now[took] < 1


@pytest.mark.full
def test_the_listener(lab, pair):
    """Nothing but looking; health follows readiness; reload moves it."""
    pair.start(stats=LISTEN)
    assert get(lab, "gw1", "/-/healthy")[0] == 200
    assert get(lab, "gw1", "/nothing")[0] == 404
    assert get(lab, "gw1", "/metrics", "-X", "POST", "-d", "x")[0] == 405
    for name, code in (("evil.example:9788", 421), ("fw1:9788", 200)):
        said = get(lab, "gw1", "/status.json", "-H", "Host: " + name)
        assert said[0] == code and ("lan" in said[2]) == (code == 200), said
    assert "address, localhost or fw1" in get(lab, "gw1", "/", "-H",
                                              "Host: evil.example")[2]
    assert json.loads(get(lab, "gw1", "/status.json")[2])["node"] == "fw1"
    status, head, body = get(lab, "gw1", "/", "-I")
    assert status == 200 and not body
    body = get(lab, "gw1")[2]
    assert "<title>OK fw1</title>" in body
    assert not re.search(r"(src|href)=\"?https?:", body)
    sentence = pair.one.tool("status")[1].splitlines()[0]
    assert sentence in body
    lab.cut("gw2", "lan")
    wait_for("not ready", lambda: get(lab, "gw2", "/-/healthy")[0] == 503)
    text = pair.one.conf.read_text()
    pair.one.conf.write_text(text.replace(LISTEN, ""))
    assert pair.one.tool("reload")[0] == 0
    assert not lab.run("gw1", "curl", "-s", "http://%s/" % ADDRESS,
                       check=False), "it listens still"
    assert pair.one.status()["http"]["address"] is None


def test_metrics_of_vhosts_that_others_elect(pair):
    """They are no less a reason for an alert."""
    promtool = need("promtool")
    pair.configure(carps=(), top='carp "gateway" {\n\telector = "external"\n'
                   '\taddresses = { "10.1.0.1/24" }\n}')
    pair.one.launch().wait_up()
    state = ('statesync_carp_state{carp="gateway",vhid="0",interface="",'
             'state="master"}')
    entered = ('statesync_carp_transitions_total{carp="gateway",vhid="0",'
               'state="master"}')
    now = metrics(pair.one)
    assert (now[state], now[entered]) == (0, 0)
    assert pair.one.tool("role", "master")[0] == 0
    wait_for("it is master", lambda: metrics(pair.one)[state] == 1)
    out = pair.one.tool("metrics")[1]
    assert samples(out)[entered] == 1
    assert "adverts_sent_total{" not in out, "it sends none"
    p = subprocess.run([promtool, "check", "metrics"], input=out, text=True,
                       capture_output=True)
    assert p.returncode == 0 and not p.stdout + p.stderr, p


def test_each_alert_names_a_section_of_the_manual():
    text = (CONTRIB / "prometheus/statesync.rules.yml").read_text()
    manual = (ROOT / "syncd/statesync.7").read_text()
    described = re.findall(r'description: "(.*)"', text)
    assert len(described) == text.count("- alert: ") == 25
    for words in described:
        named = re.search(r"statesync\(7\), ([A-Z][A-Z ]+[A-Z])\.$", words)
        assert named, words
        assert re.search(r'^\.S[hs] "?%s"?$' % named.group(1), manual,
                         re.M), words


def test_alert_rules():
    promtool = need("promtool")
    rules = CONTRIB / "prometheus"
    p = subprocess.run([promtool, "check", "rules",
                        str(rules / "statesync.rules.yml")], text=True,
                       capture_output=True)
    assert p.returncode == 0 and "25 rules" in p.stdout, p.stdout + p.stderr
    for test in ("statesync.test.yml", "statesync-drill.test.yml"):
        p = subprocess.run([promtool, "test", "rules", test], text=True,
                           capture_output=True, cwd=rules)
        assert p.returncode == 0, p.stdout + p.stderr


def test_the_dashboard_is_whole():
    board = json.loads((CONTRIB / "grafana/statesync.json").read_text())
    ids = [p["id"] for p in board["panels"]]
    assert len(ids) == len(set(ids)) > 10
    for panel in board["panels"]:
        assert panel["description"] and panel["targets"], panel["title"]
        where = panel["gridPos"]
        assert where["x"] + where["w"] <= 24


@pytest.mark.full
def test_nagios(lab, pair):
    """Its four answers, the figures behind the bar."""
    check = str(CONTRIB / "nagios/check_statesync")

    def run(*more):
        p = subprocess.run([check, "-p", pair.one.program("statesync"), "-s",
                            str(pair.one.sock), *more], text=True,
                           capture_output=True)
        assert len(p.stdout.splitlines()) == 1, p
        return p.returncode, p.stdout
    code, out = run()
    assert code == 3 and "STATESYNC UNKNOWN: " in out
    pair.start(stats=LISTEN)
    code, out = run("-w", "100", "-c", "200")
    assert code == 0 and out.startswith("STATESYNC OK: fw1 is MASTER"), out
    assert re.search(r"\| lag=\d+\.\d{4}s;100;200 table=\d+\.\d%;80;95;0;100"
                     r" flows=\d+$", out)
    assert run("-W", "0", "-w", "100", "-c", "200")[0] == 1
    assert run("-C", "0", "-W", "0")[0] == 2
    assert "OK: " in lab.run("gw1", check, "-u", "http://" + ADDRESS, "-w",
                             "100", "-c", "200")
    pair.one.tool("demote", 5)
    code, out = run("-w", "100", "-c", "200")
    assert code == 1 and "demoted by 5" in out
    pair.one.tool("demote", "--", -5)
    pair.two.kill()
    wait_for("not in sync", lambda: run()[0] == 2)
    assert "not in sync with fw2" in run()[1]
    assert run("-x")[0] == 3


def test_nagios_warns_of_drift(tmp_path):
    """In sync, but not alike; what is to be ignored is."""
    status = {
        "verdict": {"good": True, "sentence": "fw1 is MASTER of lan."},
        "carp": [{"name": "lan", "state": "MASTER"}],
        "peers": [{"name": "fw2", "state": "live", "in_sync": True,
                   "lag_ms": 0.1, "carp": {"lan": "BACKUP"},
                   "audit": {"missing": 0, "extra": 0, "differing": 0},
                   "drift": {"compared": True, "differences": []}}],
        "demotion": {"total": 0}, "flows": {"kernel": 1, "max": 100}}
    program = tmp_path / "statesync"

    def run(*effects):
        status["peers"][0]["drift"]["differences"] = [
            {"kind": "sysctls", "name": "x", "effect": e, "known": True}
            for e in effects]
        program.write_text("#!/bin/sh\necho '%s'\n" % json.dumps(status))
        program.chmod(0o755)
        p = subprocess.run([CONTRIB / "nagios/check_statesync", "-p",
                            program], text=True, capture_output=True)
        return p.returncode, p.stdout
    assert run()[0] == 0 == run("ignore")[0]
    code, out = run("warn", "ignore", "demote")
    assert code == 1 and "WARNING" in out, out
    assert "2 differences from fw2: statesync check" in out
    assert run("block")[0] == 2, "the backup may not take over"


class Terminal:
    """A real one: tmux, with a shell in it."""

    def __init__(self, directory, cols=80, rows=24):
        self.argv = [need("tmux"), "-L", "statesync-%d" % os.getpid(), "-f",
                     "/dev/null"]
        env = {**os.environ, "LC_ALL": "C.UTF-8", "PS1": "$ "}
        env.pop("NO_COLOR", None)
        self.command("new-session", "-d", "-x", str(cols), "-y", str(rows),
                     "-c", str(directory), "sh", env=env)

    def command(self, *argv, **kw):
        return subprocess.run([*self.argv, *argv], check=True, text=True,
                              capture_output=True, **kw).stdout

    def type(self, *keys):
        self.command("send-keys", *keys)

    def screen(self, *more):
        return self.command("capture-pane", "-p", *more)

    def shows(self, what, timeout=15):
        wait_for("%r on the screen:\n%s" % (what, self.screen()),
                 lambda: what in self.screen(), timeout, 0.2)
        return self.screen()

    def child(self):
        """The process that the shell waits for."""
        shell = self.command("display-message", "-p", "#{pane_pid}").strip()
        with open("/proc/%s/task/%s/children" % (shell, shell)) as f:
            return int(f.read().split()[0])

    def close(self):
        with contextlib.suppress(subprocess.CalledProcessError):
            self.command("kill-server")


@pytest.fixture
def terminal(tmp_path):
    made = Terminal(tmp_path)
    yield made
    made.close()


@pytest.mark.full
def test_watch_in_a_terminal(lab, pair, terminal):
    pair.start()
    lab.tools.fill(500)
    watch = "%s -s %s watch" % (pair.one.program("statesync"), pair.one.sock)
    terminal.type("echo before; stty -a | md5sum", "Enter")
    shell = terminal.shows("-\n")
    terminal.type(watch, "Enter")
    screen = terminal.shows("q quit")
    lines = screen.splitlines()
    assert lines[0].startswith("fw1 is MASTER of lan and wan. fw2 is in sync")
    assert "lan MASTER | backup" in screen and "nodes fw1 | fw2" in screen
    assert len(lines) <= 24 and "before" not in screen
    assert "\033[1m\033[32m" in terminal.screen("-e"), "green"
    screen = terminal.shows("▁▁▁")
    assert re.search(r"^flows/s +\d", screen, re.M)
    terminal.type("?")
    terminal.shows("fetch the peer's whole table")
    terminal.type("x", "v")
    terminal.shows("verify: done")
    assert "fw1 against fw2" in terminal.screen()
    terminal.type("x", "h")
    terminal.shows("y yes")
    terminal.type("n", "h", "y")
    terminal.shows("handed over")
    terminal.shows("fw1 is BACKUP")
    terminal.command("resize-window", "-x", "50", "-y", "16")
    terminal.shows("fw1 is BACKUP")
    time.sleep(1.5)
    assert len(terminal.screen().splitlines()) <= 16
    terminal.command("resize-window", "-x", "80", "-y", "24")
    pair.one.kill()
    terminal.shows("No answer from the daemon of fw1")
    terminal.type("x", "q")
    terminal.shows("before")
    assert "q quit" not in terminal.screen()
    again = re.findall(r"^\w{32}", shell, re.M)
    terminal.type("stty -a | md5sum", "Enter")
    wait_for("the terminal is as it was", lambda: re.findall(
        r"^\w{32}", terminal.screen(), re.M) == 2 * again)


@pytest.mark.full
def test_watch_is_plain_where_asked(pair, terminal):
    """ASCII, no colours; and a signal restores the terminal."""
    pair.start()
    watch = "%s -s %s watch -A" % (pair.one.program("statesync"),
                                   pair.one.sock)
    terminal.type("NO_COLOR=1 " + watch + "; echo status $?", "Enter")
    terminal.shows("q quit")
    time.sleep(2.5)
    screen = terminal.screen("-e")
    assert screen.isascii() and "___" in screen and "\033[" not in screen
    os.kill(terminal.child(), signal.SIGTERM)
    terminal.shows("status 143")
    assert "q quit" not in terminal.screen()
    terminal.type("clear; " + watch + " --color=never", "Enter")
    terminal.shows("q quit")
    assert "\033[" not in terminal.screen("-e")
    terminal.type("q")
    code, _, err = pair.one.tool("watch")
    assert code == 2 and "needs a terminal" in err
    pair.one.stop()
    terminal.type("clear; " + watch + "; echo status $?", "Enter")
    terminal.shows("status 3")


def chromium(lab, host, *argv):
    """Headless, in the namespace of a host; its standard output."""
    need("chromium")
    return lab.run(host, "timeout", "90", "chromium", "--headless",
                   "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                   "--user-data-dir=%s" % (lab.dir / "chromium"), *argv,
                   "http://%s/" % ADDRESS)


@pytest.mark.full
def test_the_page_in_a_browser(lab, pair):
    """The script runs under the page's own policy, and keeps it up to date."""
    need("chromium")
    pair.start(stats=LISTEN, advbase=1)
    lab.tools.fill(100)
    page = chromium(lab, "gw1", "--virtual-time-budget=4000", "--dump-dom")
    assert "<title>OK fw1</title>" in page
    assert 'class="good"' in page and "fw2 is in sync" in page
    assert re.search(r'<tr class="vhost"><th>lan.*?10\.1\.0\.1/24.*?'
                     r'role master">MASTER</span>.*?role">backup</span>', page)
    assert page.count('class="plot"') == 4
    assert "no master alive" in page, "the history"
    answered = pair.one.status()["http"]["answers"]["200"]
    assert answered >= 3, "it did not ask again"
    pair.two.kill()
    wait_for("not in sync", lambda: not pair.one.in_sync())
    page = chromium(lab, "gw1", "--virtual-time-budget=2000", "--dump-dom")
    assert "<title>!! fw1 fw2 is NOT IN SYNC</title>" in page
    assert 'class="bad"' in page
    shot = lab.dir / "page.png"
    chromium(lab, "gw1", "--window-size=375,900", "--screenshot=%s" % shot)
    assert shot.stat().st_size > 10000
