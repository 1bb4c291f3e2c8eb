# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the project say what the code does: keys, commands, examples,
and the names that the pages of contrib/doc use."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lab import BUILD
from messages import (advises, answered, characteristic, entries, logged,
                      mistakes, plain)

ROOT = Path(__file__).resolve().parents[2]
MANUALS = sorted((ROOT / "syncd").glob("*.[1-9]"))
SECTIONS = {"IN_ROOT": "GENERAL", "IN_LINK": "LINK", "IN_PEER": "LINK",
            "IN_CARP": "CARP", "IN_ALLOW": "CARP", "IN_SCRIPT": "TRACK",
            "IN_WATCH": "TRACK", "IN_ROUTE": "ROUTES AND RULES",
            "IN_RULE": "ROUTES AND RULES", "IN_SYNC": "SYNC",
            "IN_FILTER": "SYNC", "IN_NAMES": "SYNC", "IN_STATS": "STATS",
            "IN_DRIFT": "DRIFT"}
BLOCKS = {"LINK": ("link", "peer"),
          "CARP": ("carp", "allow", "track", "routes", "rules"),
          "TRACK": ("interface", "route", "script", "process", "file"),
          "ROUTES AND RULES": ("route", "rule"),
          "SYNC": ("sync", "filter", "names"), "STATS": ("stats",),
          "DRIFT": ("drift",)}


def text(path):
    return (ROOT / path).read_text()


def section(manual, name):
    m = re.search(r'^\.Sh "?%s"?\n(.*?)(?=^\.Sh |\Z)' % re.escape(name),
                  text(manual), re.M | re.S)
    assert m, "%s has no section %s" % (manual, name)
    return m.group(1)


def program(name):
    path = BUILD / "syncd" / name
    if not path.exists():
        pytest.skip("%s is not built" % path)
    return str(path)


def keys():
    """(section, kind, key) of the table that the parser reads."""
    found = re.findall(r'\{ (IN_\w+), KEY_(\w+), "([^"]+)"',
                       text("syncd/os/conf_keys.c"))
    assert len(found) > 20, "the table is written in another way now"
    return found


def test_every_key_stands_in_the_manual():
    missing = [(SECTIONS[where], key) for where, kind, key in keys()
               if kind != "LATER" and not re.search(
                   r"\bIc %s\b(?!-)" % re.escape(key),
                   section("syncd/statesync.conf.5", SECTIONS[where]))]
    missing += [(s, block) for s, names in BLOCKS.items() for block in names
                if "Ic %s " % block not in section("syncd/statesync.conf.5",
                                                   s)]
    assert not missing, missing


def test_the_manual_promises_no_key_of_later():
    built = {key for _, kind, key in keys() if kind != "LATER"}
    built.update(b for names in BLOCKS.values() for b in names)
    promised = re.findall(r"^\.It Ic ([\w-]+)", text("syncd/statesync.conf.5"),
                          re.M)
    assert promised and set(promised) <= built, set(promised) - built


def test_every_command_stands_in_the_manual():
    out = subprocess.run([program("statesync"), "help"], text=True,
                         capture_output=True, check=True).stdout
    commands = set(re.findall(r"^  (\w[\w-]*)", out, re.M))
    assert len(commands) > 5, out
    described = set(re.findall(r"^\.It Ic ([\w-]+)",
                               section("syncd/statesync.8", "DESCRIPTION"),
                               re.M))
    assert commands == described


def test_every_option_stands_in_the_manual():
    letters = re.search(r'getopt\(argc, argv, "([^"]+)"\)',
                        text("syncd/main.c")).group(1).replace(":", "")
    described = re.findall(r"^\.It Fl (\w)", text("syncd/statesyncd.8"), re.M)
    assert set(letters) == set(described)


def test_every_message_stands_in_the_manual():
    """Of error or warning, in the daemon's DIAGNOSTICS."""
    manual = plain(section("syncd/statesyncd.8", "DIAGNOSTICS"))
    found = [(where, characteristic(text)) for where, text, _ in logged()]
    assert len(found) > 100
    missing = [(where, words) for where, words in found
               if words not in manual]
    assert not missing, missing


def said_of(text, manual):
    """What the section DIAGNOSTICS says below that message."""
    words = characteristic(text)
    return " ".join(body for messages, body in entries(section(
        manual, "DIAGNOSTICS")) if words and words in messages)


def test_every_message_says_what_to_do():
    """In itself, or in its entry of the manual: a command, something to do,
    or that nothing is to be done."""
    log, answers = list(logged()), list(answered())
    assert len(log) > 100 and len(answers) > 70
    silent = [(where, text) for where, text, whole in log
              if not advises(whole)
              and not advises(said_of(text, "syncd/statesyncd.8"))]
    silent += [(where, text) for where, text in answers if not advises(text)
               and not advises(said_of(text, "syncd/statesync.8"))]
    assert not silent, silent


def test_every_mistake_in_a_file_says_what_to_write():
    """Behind what is wrong stands what is right."""
    found = list(mistakes())
    assert len(found) > 130
    silent = [(where, text) for where, text in found
              if not re.search(r"(?:; |\. )\S", text)]
    assert not silent, silent


def test_sections_that_others_name_are_there():
    """"See BOTH ARE MASTER in statesync(7)", in manuals and in messages."""
    named = [(path.name, m.group(1), "%s.%s" % m.groups()[1:])
             for path in MANUALS for m in re.finditer(
                 r"\b([A-Z]+(?: [A-Z]+)*) (?:in|of)\n\.Xr (\S+) (\d)",
                 path.read_text())]
    named += [(path.name, m.group(3), "%s.%s" % m.groups()[:2])
              for path in sorted((ROOT / "syncd").rglob("*.c"))
              for m in re.finditer(r"([a-z.-]+)\((\d)\), ([A-Z][A-Z ]+[A-Z])",
                                   re.sub(r'"\s*"', "", path.read_text()))]
    assert len(named) > 10, named
    wrong = [(where, title, manual) for where, title, manual in named
             if ROOT / "syncd" / manual in MANUALS
             and not re.search(r'^\.S[hs] "?%s"?$' % re.escape(title),
                               text("syncd/" + manual), re.M)]
    assert not wrong, wrong


def test_what_does_not_say_what_to_do():
    """Nothing is found by a test that everything passes."""
    for text in ("the connection table cannot be read: %s", "it was ended "
                 "meanwhile", "the request is longer than 1024 bytes",
                 "statesync: nft: %s", "it does not take a role"):
        assert not advises(text), text


def test_every_cause_and_verdict_is_explained():
    manual = plain(section("syncd/statesync.7", "WORDS ON THE SCREEN"))
    causes = re.findall(r'return "([^"]+)"', re.search(
        r"carp_cause_name\(.*?^}", text("carp/fsm.c"), re.M | re.S).group())
    verdicts = [" ".join(re.sub(r"%\w", "", v).replace("\\n", "").split())
                for v in re.findall(r'"( in sync and[^"]*|It [^"]*|TWO [^"]*?'
                                    r'(?= of %s)|(?<="%s is NOT %s)[^"]*)',
                                    re.sub(r'"\s*"', "",
                                           text("syncd/report.c")))]
    words = [w for c in set(causes) - {"none", "unknown"}
             for w in c.split(", tie")[:1]] + [v.strip(" .:")
                                              for v in verdicts]
    assert len(verdicts) > 8 and len(words) > 20, words
    missing = [w for w in words if w not in manual]
    assert not missing, missing


@pytest.mark.parametrize("manual", MANUALS, ids=lambda p: p.name)
def test_manuals_are_mdoc(manual):
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    p = subprocess.run(["mandoc", "-Tlint", "-W", "warning", str(manual)],
                       text=True, capture_output=True)
    assert p.returncode == 0, p.stdout + p.stderr


def literal(name):
    return re.search(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed",
                     section("syncd/statesync.conf.5", name),
                     re.M | re.S).group(1)


def test_the_examples_of_the_manual_are_accepted(tmp_path):
    example = literal("EXAMPLES").replace(
        'carp "lan" {\n', 'carp "lan" {\n' + literal("TRACK")
        + literal("ROUTES AND RULES"))
    example += literal("SYNC")
    assert "rule " in example and "filter " in example
    for name in ("link.key", "carp.pass"):
        example = example.replace("/etc/statesync/" + name,
                                  str(tmp_path / name))
    subprocess.run([program("statesync"), "genkey", "-o",
                    str(tmp_path / "link.key")], check=True,
                   capture_output=True)
    (tmp_path / "carp.pass").write_text("secret\n")
    (tmp_path / "carp.pass").chmod(0o600)
    conf = tmp_path / "statesync.conf"
    conf.write_text('node = "fw1"\n' + example)
    p = subprocess.run([program("statesyncd"), "-n", "-f", str(conf)],
                       text=True, capture_output=True)
    assert p.returncode == 0, p.stderr
    line = conf.read_text().splitlines().index('    interface = "eth0"') + 1
    conf.write_text(conf.read_text().replace('"eth0"', '"nothere0"'))
    p = subprocess.run([program("statesyncd"), "-n", "-f", str(conf)],
                       text=True, capture_output=True)
    assert p.returncode == 0 and "configuration OK" in p.stdout
    assert re.search(r"%s:%d: no interface nothere0 here; .*\. present: .*\blo\b"
                     % (conf, line), p.stderr), p.stderr


def test_the_example_ruleset_is_accepted():
    if os.geteuid() or not shutil.which("nft"):
        pytest.skip("nft and root are needed")
    p = subprocess.run(["unshare", "-n", "nft", "-c", "-f",
                        str(ROOT / "contrib/examples/nftables.conf")],
                       text=True, capture_output=True)
    assert p.returncode == 0, p.stderr


def test_pages_name_what_exists():
    """Each path and each function in back quotes is there."""
    words = re.findall(r"`([^`\s]+)`", "".join(
        text("contrib/doc/%s.md" % page)
        for page in ("ARCHITECTURE", "PARTS", "DECISIONS")))
    source = "\n".join(p.read_text() for d in ("proto", "carp", "syncd")
                       for p in sorted((ROOT / d).rglob("*.[ch]")))
    wrong = [w for w in words
             if re.fullmatch(r"\w+\(\)", w)
             and not re.search(r"\b%s\(" % re.escape(w[:-2]), source)
             or re.fullmatch(r"[\w./-]+/[\w.-]*\w", w)
             and not (ROOT / w).exists()
             or re.fullmatch(r"[A-Z]+_[A-Z_]+", w)
             and not re.search(r"\b%s\b" % w, source)]
    assert not wrong, wrong


def there_are():
    """As SECURITY.md names them: those of pytest, and Check's."""
    for path in sorted((ROOT / "tests").glob("*/test_*.*")):
        pattern = (r"^def (test_\w+)\(" if path.suffix == ".py"
                   else r"^START_TEST\((\w+)\)")
        for test in re.findall(pattern, path.read_text(), re.M):
            yield "%s::%s" % (path.relative_to(ROOT / "tests"), test)


def test_each_claim_of_the_security_review_has_its_test():
    """Whatever is named there is there; and each claim names something, or
    says that nothing shows it."""
    review = text("contrib/doc/SECURITY.md")
    named = re.findall(r"`(\w+/\w+\.\w+::\w+)`", review)
    assert len(named) > 50, "the names are written in another way now"
    missing = set(named) - set(there_are())
    assert not missing, missing
    claims = re.findall(r"^\* (.*?)(?=^\* |^$|\Z)", review, re.M | re.S)
    bare = [c for c in claims if "::" not in c and "no test" not in
            " ".join(c.split())]
    assert len(claims) > 30 and not bare, bare
