#!/usr/bin/env bash
# Makes ready what the end-to-end tests need: curl, htpasswd, logrotate, a Python with the programs of
# apps/requirements.txt, Debian's Prometheus, and Chromium with what drives it. Usage: setup.sh FOLDER.
# Quick when all of it is there already.
set -euo pipefail

folder=$1
wanted=$(dirname "$0")/apps/requirements.txt
venv=$folder/venv
stamp=$folder/installed
prometheus=$folder/prometheus
driver=$folder/browser

say() { printf 'e2e set-up: %s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        say "cannot install what is missing: neither root nor sudo without a password."
        say "install it by hand, then run the tests again:  apt-get update && apt-get install apache2-utils chromium curl fontconfig fonts-dejavu-core fonts-noto-cjk logrotate nodejs npm python3-venv"
        exit 1
    fi
}

# Pages are looked at, in Japanese too.
has_fonts() { [ -n "$(fc-list :lang=en)" ] && [ -n "$(fc-list :lang=ja)" ]; }

has_venv() { python3 -c 'import venv, ensurepip' 2>/dev/null; }

install_packages() {
    local missing=()
    command -v curl >/dev/null || missing+=(curl)
    command -v htpasswd >/dev/null || missing+=(apache2-utils)
    command -v chromium >/dev/null || missing+=(chromium)
    command -v node >/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
    has_fonts 2>/dev/null || missing+=(fontconfig fonts-dejavu-core fonts-noto-cjk)
    has_venv || missing+=(python3-venv)
    PATH=$PATH:/usr/sbin command -v logrotate >/dev/null || missing+=(logrotate)
    [ ${#missing[@]} -gt 0 ] || return 0
    if ! command -v apt-get >/dev/null; then
        say "missing: ${missing[*]} (as Debian calls them), and there is no apt-get to install them with"
        exit 1
    fi
    say "installing ${missing[*]} with apt-get"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
    hash -r
}

install_programs() {
    say "installing the Python programs of ${wanted##*/} into $venv"
    rm -rf "$venv" "$stamp"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --only-binary :all: --no-deps --requirement "$wanted"
    "$venv/bin/python" -c 'import bcrypt, copyparty, cryptography, django, flask_jwt_extended, opentelemetry.proto, passlib, radicale, schemathesis, websockets'
    cp "$wanted" "$stamp"
    say "done"
}

# Exactly the versions whose fingerprints stand in the lock file; their own scripts are not run.
install_driver() {
    say "installing the packages of browser/package.json into $driver"
    rm -rf "$driver"
    mkdir -p "$driver"
    cp "$(dirname "$0")"/browser/package*.json "$driver"
    (cd "$driver" && npm ci --loglevel error --ignore-scripts --no-audit --no-fund --no-update-notifier >&2)
    cp "$driver/package-lock.json" "$driver/installed"
}

# Its two programs need nothing but the C library, so the package is unpacked, not installed: no service
# is started, and nothing is left behind outside the folder.
unpack_prometheus() {
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
        say "missing: prometheus (as Debian calls it), and there is no apt-get and dpkg-deb to fetch it with"
        exit 1
    fi
    say "unpacking Debian's prometheus into $prometheus"
    local new=$folder/prometheus.new
    rm -rf "$prometheus" "$new"
    mkdir -p "$new"
    fetch_prometheus "$new" || { as_root apt-get update -qq && fetch_prometheus "$new"; }
    dpkg-deb --extract "$new"/prometheus_*.deb "$new"
    rm "$new"/prometheus_*.deb
    "$new/usr/bin/promtool" --version >/dev/null
    "$new/usr/bin/prometheus" --version >/dev/null
    mv "$new" "$prometheus"
}

fetch_prometheus() { (cd "$1" && apt-get download -qq -o APT::Sandbox::User=root prometheus >&2); }

mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9 # two test runs on one target folder take turns
install_packages
if ! cmp -s "$wanted" "$stamp" || ! "$venv/bin/python" -c '' 2>/dev/null; then
    install_programs
fi
[ -d "$prometheus" ] || unpack_prometheus
cmp -s "$(dirname "$0")/browser/package-lock.json" "$driver/installed" || install_driver
