#!/bin/sh
# Runs every fuzz test of the module, one after the other.
set -eu
time=${1:-60s}
for pkg in $(go list ./internal/...); do
	for name in $(go test -list '^Fuzz' "$pkg" | grep '^Fuzz' || true); do
		echo "== $pkg $name"
		go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "$pkg"
	done
done
