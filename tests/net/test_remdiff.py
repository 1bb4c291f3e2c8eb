# SPDX-License-Identifier: GPL-3.0-or-later
"""contrib/remdiff between two gateways, over a real sshd."""

import subprocess
import time

import pytest

from lab import ROOT, wait_for
from node import die_with_parent
from test_drift import drift, in_a_place_of_its_own, wait_alike, wait_differs

REMDIFF = str(ROOT / "contrib/remdiff")
SSHD = """
ListenAddress 10.1.0.12
HostKey %(dir)s/host
AuthorizedKeysFile %(dir)s/user.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
"""
MOUNTED = """
mount --make-rprivate /
mount --bind '%(theirs)s' '%(place)s'
mount -t tmpfs tmpfs /run
mkdir -m 755 /run/sshd
exec /usr/sbin/sshd -D -e -f '%(dir)s/sshd.conf'
"""


class Two:
    """Both gateways have a folder of their own at the same place."""

    def __init__(self, lab, tmp_path):
        self.lab = lab
        self.dir = tmp_path
        self.place = tmp_path / "etc"
        self.ours, self.theirs = tmp_path / "fw1", tmp_path / "fw2"
        for folder in (self.place, self.ours, self.theirs):
            folder.mkdir()
        self.journal = self.place / "journal"
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f",
                            tmp_path / name], check=True)
        words = {"dir": tmp_path, "place": self.place, "theirs": self.theirs}
        (tmp_path / "sshd.conf").write_text(SSHD % words)
        for host in ("gw1", "gw2"):
            lab.nft(host, "insert rule inet fw input tcp dport 22 accept")
        self.sshd = subprocess.Popen(
            ["ip", "netns", "exec", lab.ns("gw2"), "sh", "-c",
             MOUNTED % words], stderr=open(tmp_path / "sshd.log", "w"),
            stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        self.ssh = ("ssh -i %s/user -o BatchMode=yes -o ConnectTimeout=5 -o "
                    "StrictHostKeyChecking=no -o LogLevel=ERROR -o "
                    "UserKnownHostsFile=/dev/null" % tmp_path)
        wait_for("sshd answers", lambda: "listening" in (
            tmp_path / "sshd.log").read_text(), 10)

    def run(self, *argv, stdin="", env=(), host="10.1.0.12"):
        """remdiff on fw1: (exit status, stdout, stderr)."""
        words = ["REMDIFF_SSH=" + self.ssh, "REMDIFF_HOST=" + host,
                 "REMDIFF_JOURNAL=%s" % self.journal, "SUDO_USER=anna", *env]
        p = subprocess.run(
            ["ip", "netns", "exec", self.lab.ns("gw1"), "sh", "-c",
             "mount --make-rprivate /; mount --bind %s %s; exec env \"$@\""
             % (self.ours, self.place), "sh", *words, REMDIFF, *argv],
            capture_output=True, text=True, input=stdin, timeout=60,
            preexec_fn=die_with_parent)
        return p.returncode, p.stdout, p.stderr

    def close(self):
        self.sshd.terminate()
        self.sshd.wait()


@pytest.fixture
def two(lab, tmp_path):
    made = Two(lab, tmp_path)
    yield made
    made.close()


@pytest.mark.full
def test_a_file_is_shown_explained_and_copied(two):
    """Nothing without an explanation; then both journals have it all, and
    the file is the same on both, its mode, too."""
    name = "it's a.conf"
    ours, theirs = two.ours / name, two.theirs / name
    path = str(two.place / name)
    ours.write_text("one\ntwo\n")
    ours.chmod(0o640)
    theirs.write_text("one\nold\n")
    code, out, _ = two.run("-n", path)
    assert code == 1 and "\n-old\n+two\n" in out, out
    assert "mode and owner: 0644 0:0 -> 0640 0:0" in out, out
    code, out, err = two.run(path, stdin="\n")
    assert code == 1 and "no explanation" in err, err
    assert theirs.read_text() == "one\nold\n"
    assert not (two.ours / "journal").exists()
    code, out, err = two.run(path, stdin="two is what the provider asks\n")
    assert code == 0, (out, err)
    assert theirs.read_text() == "one\ntwo\n"
    assert theirs.stat().st_mode & 0o777 == 0o640
    for folder in (two.ours, two.theirs):
        text = (folder / "journal").read_text()
        assert text.startswith("== 20") and " anna (sudo) " in text
        assert "why: two is what the provider asks\n" in text
        assert "\n-old\n+two\n" in text and path in text
        assert (folder / "journal").stat().st_mode & 0o777 == 0o600
    code, out, _ = two.run(path)
    assert code == 0 and "alike on" in out
    assert sorted(p.name for p in two.theirs.iterdir()) == [name, "journal"]
    assert two.run("-l")[1] == (two.ours / "journal").read_text()


@pytest.mark.full
def test_the_other_way_and_what_is_refused(two):
    path = str(two.place / "x")
    (two.theirs / "x").write_text("theirs\n")
    code, _, err = two.run("-m", "why", path)
    assert code == 1 and "remdiff -r" in err, err
    assert two.run("-r", "-m", "it was made there", path)[0] == 0
    assert (two.ours / "x").read_text() == "theirs\n"
    (two.ours / "d").mkdir()
    code, _, err = two.run("-m", "why", str(two.place / "d"))
    assert code == 1 and "no regular file" in err, err
    code, _, err = two.run("-m", "why", path, host="10.1.0.99")
    assert code == 3 and "cannot be reached" in err, err
    assert two.run("-x")[0] == 2
    # no journal, no copy
    (two.ours / "x").write_text("new\n")
    code, _, err = two.run("-m", "why", path,
                           env=["REMDIFF_JOURNAL=/proc/none/journal"])
    assert code == 1 and "nothing is copied" in err, err
    assert (two.theirs / "x").read_text() == "theirs\n"
    # a link stays one
    (two.theirs / "real").write_text("old\n")
    (two.theirs / "link").symlink_to("real")
    (two.ours / "link").write_text("new\n")
    assert two.run("-m", "why", str(two.place / "link"))[0] == 0
    assert (two.theirs / "link").is_symlink()
    assert (two.theirs / "real").read_text() == "new\n"


@pytest.mark.full
def test_a_file_that_changes_meanwhile(two):
    """What would be overwritten is not what was shown: nothing is done."""
    path = str(two.place / "x")
    (two.ours / "x").write_text("new\n")
    (two.theirs / "x").write_text("old\n")
    words = ["REMDIFF_SSH=" + two.ssh, "REMDIFF_HOST=10.1.0.12",
             "REMDIFF_JOURNAL=%s" % two.journal]
    p = subprocess.Popen(
        ["ip", "netns", "exec", two.lab.ns("gw1"), "sh", "-c",
         "mount --make-rprivate /; mount --bind %s %s; exec env \"$@\""
         % (two.ours, two.place), "sh", *words, REMDIFF, path],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    assert p.stderr.read(4) == "why?"
    (two.theirs / "x").write_text("somebody else was here\n")
    _, err = p.communicate("because\n", timeout=60)
    assert p.returncode == 1 and "changed meanwhile" in err, err
    assert (two.theirs / "x").read_text() == "somebody else was here\n"
    assert "not copied" in (two.ours / "journal").read_text()


@pytest.mark.full
def test_what_check_names(two, pair):
    """Without a file: those that differ. Then nothing differs any more."""
    for node, folder in zip(pair.both(), (two.ours, two.theirs)):
        for name in ("a.conf", "b.conf"):
            (folder / name).write_text("same\n")
        in_a_place_of_its_own(node, folder, two.place)
    pair.start(top=drift('files = { "%s/*.conf" }' % two.place))
    wait_alike(pair)
    (two.ours / "b.conf").write_text("new\n")
    wait_differs(pair, "files", str(two.place / "b.conf"))
    time.sleep(1)
    env = ["REMDIFF_STATESYNC=%s -s %s" % (
        pair.one.program("statesync"), pair.one.sock)]
    code, out, err = two.run("-m", "why not", env=env)
    assert code == 0 and "b.conf: copied" in out and "a.conf" not in out, err
    wait_alike(pair)
    assert "no watched file differs" in two.run("-m", "x", env=env)[1]
