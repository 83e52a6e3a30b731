#!/bin/sh
# Installs the programs that the conformance tests drive: Debian's generation of
# clients, and the AWS SDK for JavaScript from npm. Go's clients are modules.
set -eu
cd "$(dirname "$0")/.."

packages="awscli python3-boto3 rclone restic s3cmd curl xfsprogs e2fsprogs strace nodejs gcc libc6-dev spin softhsm2 opensc swtpm"
missing=""
for p in $packages; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
# A machine may have its own Node.js, which Debian's would get in the way of.
if command -v node >/dev/null 2>&1; then
	missing=$(echo "$missing" | sed 's/ nodejs//')
fi
# Debian's nodejs comes without npm, others bring theirs.
command -v npm >/dev/null 2>&1 || missing="$missing npm"
if [ -n "$missing" ]; then
	if [ "$(id -u)" != 0 ]; then
		echo "these programs are missing; install them as root:$missing" >&2
		exit 1
	fi
	echo "installing:$missing"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
(cd conformance/js && npm ci --silent --no-audit --no-fund)
