#!/bin/sh
# System packages, for Debian and Ubuntu. Usage: sh scripts/system-packages.sh run|test
#   run   what makes the product better but is not needed: a Russian voice without downloads
#   test  what the tests use as well: a browser, PostgreSQL, Redis, tools for sound
set -eu
profile="${1:-run}"
voice="festival festvox-ru"
tests="chromium postgresql redis-server espeak-ng sox ffmpeg fonts-noto-core"
case "$profile" in
  run) wanted="$voice" ;;
  test) wanted="$voice $tests" ;;
  *) echo "Usage: sh scripts/system-packages.sh run|test" >&2; exit 2 ;;
esac
missing=""
for name in $wanted; do
  if ! dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'install ok installed'; then
    # on Ubuntu the package chromium only points to a snap; any Chromium or Chrome in the path will do
    if [ "$name" = chromium ] && command -v chromium-browser google-chrome >/dev/null 2>&1; then continue; fi
    missing="$missing $name"
  fi
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
  echo "These packages are missing, and this system has no apt-get to install them:$missing" >&2
  exit 1
fi
root=""
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null 2>&1 || { echo "As root, install:$missing" >&2; exit 1; }
  root="sudo"
fi
echo "Installing system packages:$missing"
$root apt-get update -qq
# shellcheck disable=SC2086  # the list is split on purpose
DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends $missing >/dev/null
