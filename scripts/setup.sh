#!/bin/sh
# Installs the Debian packages that the tests and the demo use. Does nothing
# where they are there already.
set -eu

missing=""
need() { # need COMMAND PACKAGE
	command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"
}
need nft nftables
need iptables iptables
need ipset ipset
need ufw ufw
need conntrack conntrack
need ip iproute2
need systemd-analyze systemd
need useradd passwd
need unshare util-linux
need sshd openssh-server
need ssh openssh-client
need sshpass sshpass
need nginx nginx-light
need logger bsdutils
[ -x /lib/systemd/systemd-journal-remote ] || missing="$missing systemd-journal-remote"
need gcc gcc
need curl curl
[ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
	echo "setup: please install:$missing (this script knows apt only)" >&2
	exit 1
fi
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
echo "setup: installing$missing"
$sudo apt-get update -qq
# Daemons are not to be started on this machine: the tests start their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
	$sudo chmod 755 $policy
	trap '$sudo rm -f $policy' EXIT
fi
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
