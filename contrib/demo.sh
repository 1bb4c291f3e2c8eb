#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# usage: contrib/demo.sh [--json] [--flows N]
# Installs what is missing, builds, and shows a pair of gateways that fails
# over in five ways while 100 000 connections go through it. All of it happens
# in network namespaces of its own. Exit status 0 only when no connection was
# lost. Needs root.
set -u
cd "$(dirname "$0")/.." || exit 1
case " $* " in
*" -h "*|*" --help "*) sed -n '3,8s/^# //p' contrib/demo.sh; exit 0 ;;
esac
[ "$(id -u)" = 0 ] || { echo "demo.sh: network namespaces need root" >&2; exit 1; }
say() { echo "$*" >&2; }

contrib/install-missing build lab >&2 || exit 1
start=$(date +%s)
say "building ..."
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
{ [ -f build/build.ninja ] || meson setup build; } >"$log" 2>&1 &&
	meson compile -C build >>"$log" 2>&1 ||
	{ cat "$log" >&2; say "demo.sh: the build failed"; exit 1; }
say "built in $(($(date +%s) - start)) s"
rm -f "$log"
PYTHONDONTWRITEBYTECODE=1 STATESYNC_BUILD=$PWD/build \
	exec /usr/bin/python3 contrib/demo.py "$@"
