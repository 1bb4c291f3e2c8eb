# SPDX-License-Identifier: GPL-3.0-or-later
"""The stats socket as a program or a person with socat has it: line after
line, JSON by its schema, and a tool and a daemon of different versions."""

import contextlib
import json
import os
import pty
import re
import select
import socket
import subprocess
import threading
import time

import pytest

import schema
from lab import wait_for
from upgrades import upgrade


class Talk:
    """One connection."""

    def __init__(self, node):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(str(node.sock))

    def ask(self, line, end="\n\n"):
        """What the daemon says up to there."""
        self.sock.sendall(line.encode() + b"\n")
        said = ""
        while not said.endswith(end):
            part = self.sock.recv(65536).decode()
            assert part, said
            said += part
        return said

    def is_over(self):
        return self.sock.recv(100) == b""


def test_line_after_line(pair):
    """With a prompt that tells who is asked and what it is, or without; a
    command is answered as it is alone."""
    pair.start()
    person, program = Talk(pair.one), Talk(pair.two)
    assert person.ask("prompt", "> ") == "ok\n\nfw1 MASTER> "
    assert person.ask("version", "> ").startswith("statesyncd ")
    assert person.ask("nonsense", "> ") == (
        'error: unknown command "nonsense"; help lists them\n\n'
        "fw1 MASTER> ")
    assert program.ask("prompt i") == "ok\n\n"
    for _ in range(3):
        body, verdict = program.ask("status json").split("\n", 1)
        schema.check(json.loads(body), "status")
        assert verdict == "ok\n\n"
    assert person.ask("handover", "> ").endswith("fw1 BACKUP> ")
    pair.wait_master(pair.two)
    assert person.ask("role", "> ") == "backup\nok\n\nfw1 BACKUP> "
    assert person.ask("prompt x", "> ").startswith("error: prompt takes i")
    assert person.ask("quit") == "ok\n\n" and person.is_over()
    program.sock.shutdown(socket.SHUT_WR)
    assert program.is_over()


def test_answers_are_as_the_schema_says(lab, pair):
    """`schema` prints what the source has; and each kind of answer has what
    stands there and nothing else."""
    pair.configure()
    pair.one.launch().wait_up()
    told = pair.one.tool("schema")
    assert told[0] == 0 and len(told[1].splitlines()) == 1
    assert json.loads(told[1]) == schema.SCHEMA
    pair.two.launch().wait_up()
    pair.wait_sync()
    lab.tools.fill(20)
    for node in pair.both():
        for line in node.tool("flows", "--json")[1].splitlines():
            schema.check(json.loads(line), "flow")
        lines = node.tool("flows", "--json", "--skipped",
                          pair.other(node).name)[1].splitlines()
        for line in lines:
            flow = schema.check(json.loads(line), "flow")
            assert "reason" in flow and "zone_there" in flow
    assert pair.one.tool("demote", "0")[0] == 0  # a note
    history = schema.check(json.loads(
        pair.one.tool("history", "--json")[1]), "history")
    assert {h["to"] for h in history} >= {"MASTER", None}
    events = Talk(pair.one)
    events.sock.sendall(b"events json n 5\n")
    seen = ""
    while seen.count("\n") < 5:
        seen += events.sock.recv(65536).decode()
    for line in seen.splitlines():
        schema.check(json.loads(line), "event")


def test_a_schema_that_fits_everything_proves_nothing():
    """What has to be found wrong is."""
    def wrong(value, name):
        return list(schema.errors(value, {"$ref": "#/$defs/" + name}))
    good = {"at": "2026-11-22T14:02:10.250Z", "vhid": None, "name": "fw2",
            "from": None, "to": None, "cause": "", "steps": {}}
    assert not wrong([good], "history")
    for key, value in (("at", "yesterday"), ("vhid", "1"), ("vhid", 256),
                       ("from", "backup"), ("steps", {"ack": "1"}),
                       ("more", 1)):
        assert wrong([good | {key: value}], "history"), key
    del good["cause"]
    assert wrong([good], "history") == ["$[0] has no cause"]
    assert wrong(good, "history")


def test_help_and_names(pair):
    """What may be asked is told, and what the words of it may be."""
    pair.configure()
    pair.one.launch().wait_up()
    listed = Talk(pair.one).ask("help").splitlines()[:-2]
    assert "handover [force] [to=PEER] [NAME...]" in listed
    for usage in listed:
        told = Talk(pair.one).ask("help " + usage.split()[0])
        assert re.fullmatch(re.escape(usage) + r"\n    \w[^\n]+\nok\n\n",
                            told), told
    assert Talk(pair.one).ask("help x") == (
        'error: unknown command "x"; help lists them\n\n')
    assert Talk(pair.one).ask("names") == (
        "node fw1\npeer fw2\ncarp lan\ncarp wan\nok\n\n")


def numbers(answer):
    """Of the events in an answer that ended well."""
    lines = answer.splitlines()
    assert lines[-2:] == ["ok", ""], answer
    return [int(line.split()[0]) for line in lines[:-2]]


def test_events_from_a_number(lab, pair):
    """Whoever was away goes on where it was, also when the daemon was
    upgraded meanwhile; what is no more is counted."""
    pair.start()
    notes = 70  # more than the history has
    talk = Talk(pair.one)
    talk.sock.sendall(b"demote 0;" * notes + b"\n")
    while not talk.is_over():
        pass
    seen = numbers(Talk(pair.one).ask("events from 1 limit %d" % notes))
    assert seen == list(range(1, notes + 1))
    told = Talk(pair.one).ask("events json from 3 limit 1")
    assert json.loads(told.splitlines()[0])["n"] == 3
    told = Talk(pair.one).ask("events from 10000")
    newest = int(re.fullmatch(r"no: the newest event is (\d+), they count from "
                              r"the daemon's start; ask from \d+ on\n\n",
                              told).group(1))
    assert newest >= notes
    waits = Talk(pair.one)
    waits.sock.sendall(b"events from %d limit 1\n" % (newest + 1))
    time.sleep(0.3)
    assert not select.select([waits.sock], [], [], 0)[0]
    pair.one.tool("demote", "0")
    assert waits.sock.recv(65536).decode().startswith("%d " % (newest + 1))
    upgrade(pair.one)
    version = pair.one.status()["version"]
    assert "fw1      -        -        -        upgraded %s -> %s, role kept\n" \
        % (version, version) in pair.one.tool("history")[1]
    first, second = Talk(pair.one).ask("events from 1 limit 1").splitlines()[
        :2]
    lost = int(re.fullmatch(r"lost (\d+)", first).group(1))
    assert second.startswith("%d " % (lost + 1)) and lost > 5, second
    for words in ("from 0", "from x", "limit 0", "n 1 from 1", "n", "all"):
        assert Talk(pair.one).ask("events " + words) == (
            "error: events takes json, n N or from N, and limit N\n\n")


def told(line):
    """An event's number, and how many are said to be lost instead of one."""
    if line.startswith("{"):
        event = schema.check(json.loads(line), "event")
        return event.get("n"), event.get("lines")
    first, second = line.split()[:2]
    return (None, int(second)) if first == "lost" else (int(first), None)


@pytest.fixture
def busy(pair):
    """A node, and what makes more of its history than is kept."""
    pair.configure(carps=(), top="\n".join(
        'carp "v%d" { elector = "external" addresses = { "10.1.0.%d/24" } }'
        % (i, i) for i in range(1, 33)))
    pair.one.launch().wait_up()

    def happen():
        many = [Talk(pair.one) for _ in range(10)]
        for i, talk in enumerate(many):  # 32 lines for each change
            roles = ("master", "backup")[::1 if i % 2 else -1]
            talk.sock.sendall(b"set-role %s;set-role %s;" * 30 % tuple(
                r.encode() for r in roles * 30) + b"\n")
        for talk in many:
            while not talk.is_over():
                pass
        newest = int(Talk(pair.one).ask("events n 1 limit 1").split()[0])
        assert newest > 6000
        return newest
    return pair.one, happen


@pytest.mark.full
@pytest.mark.parametrize("words", ["events", "events json"])
def test_a_follower_that_does_not_keep_up(busy, words):
    """Reads nothing while more happens than is kept, and is told how many
    lines it has lost; all others it gets, each once and in their order."""
    node, happen = busy
    slow = Talk(node)
    slow.sock.sendall(words.encode() + b"\n")
    newest = happen()
    seen, lost, said = 0, 0, ""
    while seen + lost < newest:
        part = slow.sock.recv(65536).decode()
        assert part, (seen, lost, said)
        *lines, said = (said + part).split("\n")
        for number, gone in map(told, lines):
            if gone:
                lost += gone
                continue
            seen += not seen and number - 1  # what was before it asked
            seen += 1
            assert number == seen + lost, (number, seen, lost)
    assert lost > 0


@pytest.mark.full
def test_a_follower_that_nobody_reads_ends(busy):
    """After 10 s, and the tool does not say that the daemon had ended."""
    node, happen = busy
    with subprocess.Popen(
            [node.program("statesync"), "-s", str(node.sock), "history",
             "--follow"], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE) as tool:
        time.sleep(1)
        happen()
        wait_for("it is given up", lambda: node.status()["socket"]["stuck"],
                 20, 0.5)
        out, err = tool.communicate(timeout=10)
    assert tool.returncode == 3 and len(out.splitlines()) > 100
    assert "was not read for 10 s" in err, err


class OldDaemon:
    """One that knows version and status json only, a line a connection."""

    def __init__(self, path, status):
        self.path, self.status, self.asked = path, status, []
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(str(path))
        self.sock.listen(8)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.sock.accept()[0]
                with client:
                    line = client.recv(1024).decode().split("\n")[0]
                    self.asked.append(line)
                    client.sendall(self.answer(line).encode())

    def answer(self, line):
        if line == "version":
            return "statesyncd 0.0.9 protocol 1 schema 1\nok\n\n"
        if line == "status json":
            return json.dumps(self.status) + "\nok\n\n"
        return 'error: unknown command "%s"; help lists them\n\n' % line


def test_a_tool_that_is_newer_than_the_daemon(pair, tmp_path):
    """It says so, and asks for the version only then."""
    pair.start()
    old = OldDaemon(tmp_path / "sock", pair.one.status())
    tool = [pair.one.program("statesync"), "-s", str(old.path)]
    p = subprocess.run(tool + ["schema"], text=True, capture_output=True)
    assert p.returncode == 2 and p.stderr == (
        'statesync: this daemon is 0.0.9 and does not know "schema"; restart '
        "it (systemctl reload statesyncd), or use the tool of its version\n")
    assert old.asked == ["schema", "version"]
    p = subprocess.run(tool + ["status", "--json"], text=True,
                       capture_output=True)
    assert p.returncode == 0 and "version" not in old.asked[2:]


def watched(tool, seconds, until=""):
    """What `watch` writes on a terminal in that time."""
    pid, fd = pty.fork()
    if not pid:
        os.environ["TERM"] = "xterm"
        os.execv(tool[0], tool + ["watch", "-A"])
    seen, end = "", time.monotonic() + seconds
    while time.monotonic() < end and (not until or until not in seen):
        if select.select([fd], [], [], 0.1)[0]:
            try:
                seen += os.read(fd, 65536).decode()
            except OSError:
                break
    with contextlib.suppress(OSError):
        os.write(fd, b"q")
    os.waitpid(pid, 0)
    os.close(fd)
    return seen


def accepted(node):
    """Clients of the socket, as `counters` has them."""
    return int(re.search(r"(\d+) clients of the socket",
                         node.tool("counters", "-a")[1]).group(1))


def test_watch_keeps_one_connection(pair, tmp_path):
    """It asks each second, and connects once; it comes back when the daemon
    does; and it shows a daemon that has no prompt yet."""
    pair.start()
    tool = [pair.one.program("statesync"), "-s", str(pair.two.sock)]
    before = accepted(pair.two)
    seen = watched(tool, 4)
    assert seen.count("fw2 is BACKUP of lan and wan") > 2, seen
    assert accepted(pair.two) == before + 2, "watch, and counters itself"
    old = OldDaemon(tmp_path / "sock", pair.one.status())
    seen = watched([tool[0], "-s", str(old.path)], 4)
    assert "fw1 is MASTER of lan and wan" in seen
    assert old.asked.count("status json") >= 2, old.asked


def both(node, *argv):
    """Two persons at once; what each was answered."""
    answers = []
    people = [threading.Thread(target=lambda: answers.append(
        node.tool(*argv))) for _ in range(2)]
    for person in people:
        person.start()
        time.sleep(0.2)
    for person in people:
        person.join()
    return answers


def test_who_presses_twice_waits_for_the_same(lab, pair):
    """The second one sees how the first one's goes on and ends."""
    pair.start()
    lab.tools.fill(20000)
    wait_for("all are told", lambda: pair.two.status()["flows"]["kernel"]
             >= 20000, 20, 0.2)
    lab.slow("link", "1mbit")
    answers = both(pair.two, "--bulk")
    lab.fast("link")
    assert answers[0] == answers[1] and answers[0][0] == 0, answers
    assert re.match(r"bulk from fw1: (\d+) of \1 in the kernel, 0 missing",
                    answers[0][1]), answers
    pair.two.hang()
    answers = both(pair.one, "handover", "--force")
    pair.two.wake()
    assert answers[0] == answers[1] and answers[0][0] == 1, answers
    assert answers[0][2].startswith("statesync: handover failed: "), answers
    assert pair.one.is_all("MASTER")
