# SPDX-License-Identifier: GPL-3.0-or-later
"""Sums up what tests/run.sh ran: `N passed, N failed, N skipped`.

A Check program counts as its checks, any other meson test and a fuzz target
as one. What gave no result at all counts as failed. Exit status 0 only when
nothing failed.
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
    """Names of the tests that passed, failed, were skipped."""
    found = set(), set(), set()
    for case in xml.parse(path).getroot().iter("testcase"):
        name = "tests/net/%s.py::%s" % (
            case.get("classname").rpartition(".")[2], case.get("name"))
        kinds = {child.tag for child in case}
        found[1 if kinds & {"failure", "error"} else
              2 if "skipped" in kinds else 0].add(name)
    return found


def of_network_tests(path, again):
    """What failed counts by its second try; a first one never vanishes."""
    passed, failed, skipped = of_pytest(path)
    if again.exists():
        healed = failed & of_pytest(again)[0]
        for name in sorted(healed):
            print("passed only when repeated:", name)
        passed, failed = passed | healed, failed - healed
    return len(passed), len(failed - passed), len(skipped)


def of_fuzz(path):
    results = re.findall(r"^\w+: .* (passed|failed)$", path.read_text(), re.M)
    passed = results.count("passed")
    return passed, len(results) - passed or int(not results), 0


def main(directory):
    total = [0, 0, 0]
    again = Path(directory) / "again.xml"
    for path in sorted(again.parent.iterdir()):
        if path.suffix == ".missing":
            print("no result of", path.stem)
            part = (0, 1, 0)
        elif path.suffix in (".passed", ".failed"):
            part = (int(path.suffix == ".passed"),
                    int(path.suffix == ".failed"), 0)
        elif path.suffix == ".json":
            part = of_meson(path)
        elif path.name == "fuzz.txt":
            part = of_fuzz(path)
        elif path.suffix == ".xml" and path != again:
            part = of_network_tests(path, again)
        else:
            continue
        total = [a + b for a, b in zip(total, part)]
    print("%d passed, %d failed, %d skipped" % tuple(total))
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    if sys.argv[1] == "--failed":
        for results in sorted(Path(sys.argv[2]).glob("*.xml")):
            for name in sorted(of_pytest(results)[1]):
                print(name)
        sys.exit(0)
    sys.exit(main(sys.argv[1]))
