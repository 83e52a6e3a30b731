#!/bin/sh
# Looks for known vulnerabilities where the vulnerability database can be
# reached, and says so where it can't.
set -eu
version=v1.1.4
if ! timeout 20 curl -fsS -o /dev/null https://vuln.go.dev/index/db.json 2>/dev/null; then
	echo "govulncheck: the vulnerability database can't be reached from here; not checked"
	exit 0
fi
go run "golang.org/x/vuln/cmd/govulncheck@$version" ./...
