# SPDX-License-Identifier: GPL-3.0-or-later
"""contrib/examples/dhcp-uplink, with dnsmasq as the provider's server and
dhclient on the gateways: the lease and the connections survive a failover."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lab import BUILD, wait_for
from node import die_with_parent

EXAMPLE = Path(__file__).resolve().parents[2] / "contrib/examples/dhcp-uplink"
COMPAT = Path(__file__).resolve().parents[2] / "contrib/compat"


@pytest.fixture
def provider(lab):
    """dnsmasq on the server: one address for whoever asks first."""
    if not shutil.which("dnsmasq") or not shutil.which("dhclient"):
        pytest.skip("dnsmasq and dhclient are not installed")
    log = open(lab.dir / "dnsmasq.log", "w")
    proc = subprocess.Popen(
        ["ip", "netns", "exec", lab.ns("server"), "dnsmasq", "-k", "-p", "0",
         "--conf-file=/dev/null", "--log-facility=-", "--log-dhcp",
         "--interface=eth0", "--bind-interfaces",
         "--dhcp-range=10.2.0.50,10.2.0.60,255.255.255.0,2m",
         "--dhcp-leasefile=%s" % (lab.dir / "leases"),
         "--pid-file=%s" % (lab.dir / "dnsmasq.pid")],
        stdout=log, stderr=log, preexec_fn=die_with_parent)
    yield lab.dir / "leases"
    proc.kill()
    proc.wait()


def adapt(node):
    """The example's files for this laboratory: names of interfaces, files in
    the node's directory."""
    text = (EXAMPLE / "dhcp-uplink.policy").read_text()
    for old, new in (("eth1", "wan"),
                     ("/etc/statesync", str(EXAMPLE)),
                     ("/run/", "%s/" % node.dir),
                     ("/var/lib/dhcp/", "%s/" % node.dir)):
        text = text.replace(old, new)
    # not the resolv.conf of this machine
    text = text.replace("dhclient -nw",
                        "dhclient -sf %s/script -nw" % node.dir)
    script = node.dir / "script"
    script.write_text(
        "#!/bin/sh\n"
        "case $reason in\n"
        "BOUND|RENEW|REBIND|REBOOT)\n"
        "  ip addr replace $new_ip_address/24 dev $interface\n"
        "  ip route replace default via $new_routers dev $interface;;\n"
        "esac\n")
    script.chmod(0o755)
    (node.dir / "policy").write_text(text)
    return 'policy-file = "%s/policy"' % node.dir


def uplink(lab, host):
    out = lab.ip(host, "-4", "-o", "addr", "show", "dev", "wan")
    return out.split()[3] if out.split() else None


@pytest.mark.full
@pytest.mark.limit(240)
def test_the_lease_follows_the_master(pair, lab, provider, monkeypatch):
    monkeypatch.setenv("STATESYNC_COMPAT", str(COMPAT))
    monkeypatch.setenv("PATH", "%s:%s" % (BUILD / "syncd",
                                          os.environ["PATH"]))
    for node in pair.both():
        lab.nft(node.host, "flush chain ip nat postrouting\n"
                "add rule ip nat postrouting oifname wan masquerade\n")
        lab.ip(node.host, "addr", "flush", "dev", "wan")
        lab.ip(node.host, "link", "set", "wan", "down")
        node.configure(carps=("lan",), top=adapt(node),
                       advskew=80 if node is pair.one else 90)
    pair.one.launch().wait_up()
    first = wait_for("a lease", lambda: uplink(lab, "gw1"), 60)
    pair.two.launch().wait_up()
    pair.wait_sync()
    wait_for("the backup's policy", lambda: (pair.two.status()["policy"]
             or {}).get("state") == "backup", 30)
    wait_for("its way out", lambda: "via 10.1.0.1" in
             lab.ip("gw2", "route", "show", "default"), 30)
    assert uplink(lab, "gw2") is None
    # the backup reaches what is beyond the uplink through the master
    lab.run("gw2", "ping", "-c", "1", "-W", "5", "10.2.0.100")
    streams = lab.tools.streams(2, 2, "10.2.0.100:9401", "9401")
    pair.wait_sync()
    pair.one.kill()
    # who died lost the line, too
    lab.ip("gw1", "link", "set", "wan", "down")
    again = wait_for("the lease on the other node",
                     lambda: uplink(lab, "gw2"), 60)
    assert again == first
    streams.mark("failover")

    def go_on():
        report = streams.mark("on")
        assert not report["broken"], report
        return report["progressed"] == report["conns"]

    wait_for("the connections go on", go_on, 60, every=1)
    report = streams.finish()
    assert report["lost"] == 0 and report["mismatched"] == 0, report
    assert len(provider.read_text().splitlines()) == 1
    for host in ("gw1", "gw2"):
        subprocess.run(["ip", "netns", "exec", lab.ns(host), "pkill", "-F",
                        str(lab.nodes[host].dir / "dhclient.wan.pid")])


def test_the_example_is_accepted(tmp_path):
    conf = (EXAMPLE / "statesync.conf").read_text()
    for name in ("link.key", "carp.pass", "dhcp-uplink.policy"):
        conf = conf.replace("/etc/statesync/" + name, str(tmp_path / name))
    subprocess.run([BUILD / "syncd/statesync", "genkey", "-o",
                    tmp_path / "link.key"], check=True, capture_output=True)
    (tmp_path / "carp.pass").write_text("secret\n")
    (tmp_path / "carp.pass").chmod(0o600)
    shutil.copyfile(EXAMPLE / "dhcp-uplink.policy", # a clone's may be 0664
                    tmp_path / "dhcp-uplink.policy")
    (tmp_path / "statesync.conf").write_text('node = "fw1"\n' + conf)
    p = subprocess.run([BUILD / "syncd/statesyncd", "-n", "-f",
                        tmp_path / "statesync.conf"], text=True,
                       capture_output=True)
    assert p.returncode == 0, p.stderr
    assert "3 states" in p.stdout
