#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure floors call nothing but what may be called by something pure.

usage: purity.py NM LIBRARY... -- HELPER...

Each LIBRARY is a floor, lowest first: it may use what the floors before it
and the HELPER libraries (generated code) define, and the symbols below.
Nothing that knows a socket, a clock, randomness or a log. Nor may a floor
have a variable that can be written: its state belongs to its callers.
"""
import re
import subprocess
import sys

ALLOWED = """
    malloc calloc realloc free
    memchr memcmp memcpy memmove memset
    strchr strcmp strlen strncmp strnlen strrchr
    snprintf vsnprintf inet_ntop inet_pton qsort bsearch
    __assert_fail
    SHA1_Init SHA1_Update SHA1_Final CRYPTO_memcmp OPENSSL_cleanse
    _GLOBAL_OFFSET_TABLE_
""".split()

# What the compiler adds: fortified variants of the above, the stack
# protector, sanitizers, coverage, profiling.
COMPILER = re.compile(
    r"__(mem|str|v?snprintf)\w*_chk$|__stack_chk_(fail|guard)$|"
    r"__(asan|ubsan|tsan|msan|lsan|sanitizer|gcov|llvm)_|__tls_get_addr$")
INSTRUMENTED = re.compile(r"__(asan|ubsan|tsan|msan|gcov|llvm)_")
PROTOBUF = re.compile(r"protobuf_c_\w+$")


def nm(tool, library, *options):
    out = subprocess.run([tool, *options, library], check=True, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return out.stdout.splitlines()


def symbols(tool, library):
    """Yields (object, symbol, defined)."""
    where = library
    for line in nm(tool, library, "--format=posix"):
        words = line.split()
        if line.endswith(":"):
            where = line.rstrip(":")
        elif len(words) >= 2:
            yield where, words[0], words[1] not in "Uwv"


def variables(tool, library):
    """Yields (object, symbol) of what lies in a writable section."""
    where = library
    for line in nm(tool, library, "--format=sysv"):
        field = [f.strip() for f in line.split("|")]
        if len(field) < 7:
            if line.endswith(":"):
                where = line.rstrip(":")
            continue
        if re.match(r"(\.data(?!\.rel\.ro)|\.bss|\.tdata|\.tbss|\*COM\*)",
                    field[6]):
            yield where, field[0]


def main():
    tool, *rest = sys.argv[1:]
    split = rest.index("--")
    floors, helpers = rest[:split], rest[split + 1:]
    defined = {s for lib in helpers for _, s, d in symbols(tool, lib) if d}
    bad, looked_at = [], 0
    for floor in floors:
        found = list(symbols(tool, floor))
        defined |= {s for _, s, d in found if d}
        for where, symbol, is_defined in found:
            looked_at += 1
            if not (is_defined or symbol in defined or symbol in ALLOWED
                    or COMPILER.match(symbol) or PROTOBUF.match(symbol)):
                bad.append(f"{where} uses {symbol}")
        if any(INSTRUMENTED.match(s) for _, s, _ in found):
            continue  # instrumentation brings variables of its own
        bad += [f"{where} has the variable {symbol}"
                for where, symbol in variables(tool, floor)]
    for line in bad:
        print(line)
    print(f"{len(floors)} floors, {looked_at} symbols, {len(bad)} wrong")
    return 1 if bad or not looked_at else 0


if __name__ == "__main__":
    sys.exit(main())
