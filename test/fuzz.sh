#!/usr/bin/env bash
# Runs every fuzz target of the module for a short time. Usage: test/fuzz.sh [TIME]
set -euo pipefail
time=${1:-3s}
count=0
fuzz() { go test -run '^$' -fuzz "^${target}\$" -fuzztime "$1" "$package" 2>&1; }
# cut says that the only thing wrong is that the time was over while an input was still running, which go test takes for a failure.
cut() { grep -q '^ *context deadline exceeded$' <<<"$1" && ! grep -q 'Failing input written' <<<"$1"; }
while IFS=: read -r file target; do
  package=./$(dirname "$file")
  printf 'fuzz %s %s ... ' "$package" "$target"
  if ! out=$(fuzz "$time") && { ! cut "$out" || ! out=$(fuzz 2000x); }; then # the second time by number of inputs, which has no deadline
    echo FAILED
    echo "$out"
    exit 1
  fi
  echo "$(echo "$out" | grep -oE 'execs: [0-9]+' | tail -n 1)"
  count=$((count + 1))
done < <(grep -rhoHE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' . | sed -E 's/^\.\///; s/:func /:/' | sort)
[ "$count" -gt 0 ] || { echo "no fuzz target found"; exit 1; }
echo "fuzz: $count targets, $time each, no failure"
