#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# usage: tests/run.sh [quick|full|long] [pytest options]
# Installs what is missing, builds, runs the unit tests under ASan and UBSan,
# but for quick each fuzz target for a minute (long: an hour), and the network
# tests of that tier; full also asks what tools see in the sources (analysis),
# whether these tests would notice (mutants), and what they run (coverage). The
# last line sums them up.
# WERROR=true makes every warning an error, as in CI.
set -u
cd "$(dirname "$0")/.." || exit 1
tier=quick
case ${1:-} in
quick|full|long) tier=$1; shift ;;
esac
case $tier in
full) tests="quick or full" ;;
*) tests=$tier ;;
esac

fail() { echo "tests/run.sh: $*" >&2; exit 1; }

configured() { # DIRECTORY OPTIONS...
	dir=$1; shift
	if [ -f "$dir/build.ninja" ]; then
		meson configure "$dir" "$@" || return
	else
		meson setup "$dir" "$@" >"$dir.log" 2>&1 ||
			{ cat "$dir.log"; return 1; }
		rm -f "$dir.log"
	fi
	meson compile -C "$dir" >"$dir/compile.log" 2>&1 ||
		{ grep -E 'error|warning|FAILED' "$dir/compile.log" | head -40
		  return 1; }
}

groups="build lab test"
[ $tier = quick ] || groups="$groups full package"
contrib/install-missing $groups || fail "packages are missing"
configured build "-Dwerror=${WERROR:-false}" || fail "build failed"
configured build-asan "-Dwerror=${WERROR:-false}" \
	-Db_sanitize=address,undefined -Db_lundef=false ||
	fail "build under the sanitizers failed"

results=$(mktemp -d) || exit 1
trap 'rm -rf "$results"' EXIT
trap 'exit 130' INT TERM
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
# The sanitizers and a busy machine are slow: give the unit tests their time.
export CK_TIMEOUT_MULTIPLIER=10
unit_tests() { # DIRECTORY TESTS...
	dir=$1
	rm -f "$dir"/meson-logs/testlog*.json # its name has the setup's
	meson test -C "$@" --print-errorlogs --no-rebuild -t 5 2>&1 |
		grep -v '^ninja: \|^$\|Full log'
	cp "$dir"/meson-logs/testlog*.json "$results/$dir.json" ||
		: >"$results/$dir.missing"
}
case $tier in
quick) unit_tests build purity; unit_tests build-asan ;;
full) unit_tests build --setup full; unit_tests build-asan ;;
long) unit_tests build --setup long --suite long ;;
esac

case $tier in
full) tests/fuzz/run 2>&1 | tee "$results/fuzz.txt" ;;
long) tests/fuzz/run -s 3600 2>&1 | tee "$results/fuzz.txt" ;;
esac

export PYTHONDONTWRITEBYTECODE=1 STATESYNC_BUILD=$PWD/build
network_tests() { # NAME OPTIONS...
	name=$1; shift
	/usr/bin/python3 -m pytest -q -rs --junitxml="$results/$name.xml" \
		tests/net "$@"
	[ -s "$results/$name.xml" ] || : >"$results/$name.missing"
}
of_the_tests() { # NAME COMMAND...: counts as one test
	name=$1; shift
	if "$@"; then : >"$results/$name.passed"
	else : >"$results/$name.failed"; fi
}
# Most of them wait most of the time: two at once, and beside them, with what
# they leave of the processors, what only computes. What fills a table wants
# the machine for itself.
case $tier in
full)
	of_the_tests analysis nice -n 19 tests/analysis >"$results/analysis" 2>&1 &
	network_tests pytest-small -n 2 -m "($tests) and not flows" "$@"
	wait
	cat "$results/analysis"
	network_tests pytest-large -m "($tests) and flows" "$@" ;;
*) network_tests pytest -m "$tests" "$@" ;;
esac
# Both nodes share this machine's processors and its one connection table with
# whatever else runs here: what failed has one more try, and is named.
/usr/bin/python3 tests/count.py --failed "$results" >"$results/again"
if [ -s "$results/again" ]; then
	echo "once more:"; cat "$results/again"
	tr '\n' '\0' <"$results/again" |
		xargs -0 /usr/bin/python3 -m pytest -q \
			--junitxml="$results/again.xml"
fi
if [ $tier = full ]; then
	of_the_tests mutants tests/mutants/run
	of_the_tests coverage tests/coverage whole
fi
/usr/bin/python3 tests/count.py "$results"
