#!/usr/bin/env bash
# Makes ready what the end-to-end tests need: curl, logrotate, and a Python with the programs of
# apps/requirements.txt. Usage: setup.sh FOLDER. Quick when all of it is there already.
set -euo pipefail

folder=$1
wanted=$(dirname "$0")/apps/requirements.txt
venv=$folder/venv
stamp=$folder/installed

say() { printf 'e2e set-up: %s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        say "cannot install what is missing: neither root nor sudo without a password."
        say "install it by hand, then run the tests again:  apt-get install curl logrotate python3-venv"
        exit 1
    fi
}

has_venv() { python3 -c 'import venv, ensurepip' 2>/dev/null; }

install_packages() {
    local missing=()
    command -v curl >/dev/null || missing+=(curl)
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
    "$venv/bin/python" -c 'import copyparty, radicale, websockets'
    cp "$wanted" "$stamp"
    say "done"
}

mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9 # two test runs on one target folder take turns
install_packages
if ! cmp -s "$wanted" "$stamp" || ! "$venv/bin/python" -c '' 2>/dev/null; then
    install_programs
fi
