# SPDX-License-Identifier: GPL-3.0-or-later
"""Sums up what tests/run.sh ran: `N passed, N failed, N skipped`.

A Check program counts as its checks, any other meson test as one. What gave
no result at all counts as failed. Exit status 0 only when nothing failed.
"""

import json
import re
import sys
import xml.etree.ElementTree as xml
from pathlib import Path


def of_meson(path):
    passed = failed = skipped = 0
    for line in path.read_text().splitlines():
        test = json.loads(line)
        m = re.search(r"Checks: (\d+), Failures: (\d+), Errors: (\d+)",
                      test.get("stdout") or "")
        if test["result"] == "SKIP":
            skipped += 1
        elif m:
            bad = int(m[2]) + int(m[3])
            passed += int(m[1]) - bad
            failed += max(bad, int(test["result"] != "OK"))
        elif test["result"] in ("OK", "EXPECTEDFAIL"):
            passed += 1
        else:
            failed += 1
    return passed, failed, skipped


def of_pytest(path):
    suite = xml.parse(path).getroot().find("testsuite")
    total, failures, errors, skipped = (
        int(suite.get(k)) for k in ("tests", "failures", "errors", "skipped"))
    return total - failures - errors - skipped, failures + errors, skipped


def main(directory):
    total = [0, 0, 0]
    for path in sorted(Path(directory).iterdir()):
        if path.suffix == ".missing":
            print("no result of", path.stem)
            part = (0, 1, 0)
        else:
            part = (of_meson if path.suffix == ".json" else of_pytest)(path)
        total = [a + b for a, b in zip(total, part)]
    print("%d passed, %d failed, %d skipped" % tuple(total))
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
