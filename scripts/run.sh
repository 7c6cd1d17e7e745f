#!/bin/sh
# Runs the agent on this machine in a scratch folder, watching only: nothing is
# blocked, and nothing is left behind but the folder.
set -eu
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || exec sudo -E "$0" "$@"
dir=$(mktemp -d /tmp/sentinel-run.XXXXXX)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/config.yml" <<EOF
agent: {socket: $dir/sentinel.sock}
response: {mode: observe}
database: {path: $dir/sentinel.db}
EOF
echo "Watching the usual logs; nothing is blocked. In another terminal:"
echo "  sudo $PWD/bin/sentinelctl --socket $dir/sentinel.sock status"
./bin/sentinel-agent -config "$dir/config.yml"
