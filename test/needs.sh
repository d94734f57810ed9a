#!/usr/bin/env bash
# Installs the Debian packages that the tests need (root on Debian), or lists loudly what is missing and which tests then do not run.
# With CI=true a missing need fails. Prints only the list with --summary.
set -u
# command:package:what is not tested without it
needs=(
  "gcc:gcc:the race detector"
  "socat:socat:relays against a foreign program"
  "tmux:tmux:lines --watch on a real terminal"
  "unshare:util-linux:full disk and read-only folders"
  "setpriv:util-linux:permissions as nobody"
  "setsid:util-linux:children of plugins that escape"
  "nsenter:util-linux:disks of their own for a running daemon"
  "g++:g++:native plugins written in C++"
  "make:make:rasdll"
  "systemd-analyze:systemd:hardening of the systemd unit"
  "nm:binutils:that rasdll has what its headers declare"
  "x86_64-w64-mingw32-g++:g++-mingw-w64-x86-64-win32:that the native test libraries are sources for Windows"
  "valgrind:valgrind:memory errors of rasdll"
  "python3:python3:the external plugin in Python"
  "gsasl:gsasl:SASL with GNU SASL as the caller"
  "sasl-sample-client:sasl2-bin:SASL with Cyrus SASL as the caller"
  "curl:curl:POP3, SMTP and HTTP Digest logins with curl"
  "mpop:mpop:POP3 logins with mpop"
  "msmtp:msmtp:SMTP logins with msmtp"
  "swaks:swaks:SMTP logins with swaks, on a line without TCP"
  "qemu-system-x86_64:qemu-system-x86:the laboratory: real UARTs, USB adapters and PPP"
  "ip:iproute2:network namespaces of the laboratory's agent"
  "cpio:cpio:the laboratory's guest"
  "xz:xz-utils:the laboratory's guest"
  "modprobe:kmod:the laboratory's guest"
  "pppd:ppp:PPP sessions with their hook, and rashost call as the connect program of the real pppd"
)
missing() { for n in "${needs[@]}"; do command -v "${n%%:*}" >/dev/null 2>&1 || echo "$n"; done; }
list=$(missing)
if [ -n "$list" ] && [ "${1:-}" != --summary ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  packages=$(echo "$list" | cut -d: -f2 | sort -u | tr '\n' ' ')
  echo "needs: installing $packages"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends $packages; } >/tmp/rashost-needs.log 2>&1 ||
    { echo "needs: apt-get failed:"; tail -n 5 /tmp/rashost-needs.log; }
  list=$(missing)
fi
if [ "$(id -u)" = 0 ]; then
  id nobody >/dev/null 2>&1 || list=$(printf '%s\n%s' "$list" "nobody:base-passwd:permissions as another user" | sed '/^$/d')
  unshare -m true 2>/dev/null || list=$(printf '%s\n%s' "$list" "mount:-:full and read-only disks: this root may not mount" | sed '/^$/d')
fi
[ "$(id -u)" = 0 ] || list=$(printf '%s\n%s' "$list" "root:-:permissions, limits and full disks" | sed '/^$/d')
if [ -z "$list" ]; then
  [ "${1:-}" = --summary ] && echo "needs: everything was there, every test ran"
  exit 0
fi
echo "==================== NOT RUN ===================="
echo "$list" | while IFS=: read -r command package what; do
  echo "not tested: $what (needs $command$([ "$package" = - ] || echo ", Debian package $package"))"
done
echo "================================================="
[ "${CI:-}" != true ] || { echo "needs: CI=true, so this is a failure"; exit 1; }
