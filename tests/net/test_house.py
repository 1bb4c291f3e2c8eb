# SPDX-License-Identifier: GPL-3.0-or-later
"""The conventions that a machine can check, over every file of the tree."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLOORS = {"proto": 0, "carp": 1, "syncd/core": 2, "syncd/os": 3, "syncd": 4}


def tracked():
    try:
        out = subprocess.run(["git", "-C", str(ROOT), "ls-files"], text=True,
                             capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [ROOT / name for name in out.splitlines()
            if (ROOT / name).is_file()]


def sources(*suffixes):
    return [p for p in tracked() if p.suffix in suffixes]


def name(path):
    return str(path.relative_to(ROOT))


def test_every_file_names_its_licence():
    bare = [name(p) for p in tracked()
            if p.name not in ("LICENSE", ".gitignore")
            and "corpus" not in p.parts
            and p.suffix not in (".md", ".png", ".svg", ".hex", ".bin")
            and "SPDX-License-Identifier" not in p.read_text(
                errors="replace")[:400]]
    assert not bare, bare


# Files that are still to be cut.
LONG_FILES = {"flow.h", "vhost.h", "session.h", "engine.h", "engine_int.h",
              "node.h", "lease.h",
              "nl_attr.h", "sim.c"}


def test_files_are_short():
    long = {name(p): n for p in sources(".c", ".h", ".py")
            for n in [len(p.read_text().splitlines())]
            if n > (120 if p.suffix == ".h" and "tests" not in p.parts
                    else 500)
            and p.name not in LONG_FILES}
    assert not long, long


def test_functions_are_short():
    """From the brace in the first column to the one that closes it."""
    long = {}
    for path in sources(".c"):
        start = None
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line == "{":
                start = number
            elif line == "}" and start:
                if number - start - 1 > 100:
                    long["%s:%d" % (name(path), start)] = number - start - 1
                start = None
    assert not long, long


def test_every_source_says_what_it_is():
    silent = [name(p) for p in sources(".c")
              if not re.match(r"(//|/\*) SPDX[^\n]*\n/\*", p.read_text())]
    assert not silent, silent


def floor_of(path):
    folder = name(path.parent)
    return FLOORS.get(folder)


def test_lower_floors_include_nothing_above():
    where = {p.name: floor_of(p) for p in sources(".h")
             if floor_of(p) is not None}
    upward = []
    for path in sources(".c", ".h"):
        mine = floor_of(path)
        if mine is None:
            continue
        for header in re.findall(r'#include "(?:.*/)?([\w.]+)"',
                                 path.read_text()):
            if where.get(header, 0) > mine:
                upward.append((name(path), header))
    assert not upward, upward


def test_format():
    """clang-format of Debian 12: other versions disagree with each other."""
    program = shutil.which("clang-format")
    if not program:
        pytest.skip("clang-format is not installed")
    version = subprocess.run([program, "--version"], text=True,
                             capture_output=True).stdout
    if " 14." not in version:
        pytest.skip("clang-format is not version 14: " + version.strip())
    files = [str(p) for p in sources(".c", ".h")]
    out = subprocess.run([program, "--dry-run", "-Werror", *files], text=True,
                         capture_output=True, cwd=ROOT)
    wrong = sorted({line.split(":")[0] for line in out.stderr.splitlines()
                    if ": error:" in line})
    assert out.returncode == 0, wrong


def test_shell_scripts_parse():
    for path in tracked():
        text = path.read_text(errors="replace")
        if text.startswith("#!/bin/sh"):
            subprocess.run(["sh", "-n", str(path)], check=True)


def test_a_package_can_be_built_with_its_groups():
    """contrib/install-missing build package: all of Build-Depends."""
    listed = {line.split()[1] for line in
              (ROOT / "contrib/packages").read_text().splitlines()
              if line.startswith(("build ", "package "))}
    field = re.search(r"^Build-Depends:((?:.*\n)(?: .*\n)*)", (
        ROOT / "contrib/debian/control").read_text(), re.M).group(1)
    wanted = {re.match(r"[a-z0-9.+-]+", item.strip()).group()
              for item in field.split(",")}
    by_debhelper = {"debhelper-compat", "dh-sequence-installsysusers"}
    assert wanted >= by_debhelper and "debhelper" in listed
    assert not wanted - by_debhelper - listed
