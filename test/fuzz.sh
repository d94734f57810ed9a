#!/usr/bin/env bash
# Runs every fuzz target of the module for a short time. Usage: test/fuzz.sh [TIME]
set -euo pipefail
time=${1:-3s}
count=0
while IFS=: read -r file target; do
  package=./$(dirname "$file")
  printf 'fuzz %s %s ... ' "$package" "$target"
  out=$(go test -run '^$' -fuzz "^${target}\$" -fuzztime "$time" "$package" 2>&1) || { echo FAILED; echo "$out"; exit 1; }
  echo "$(echo "$out" | grep -oE 'execs: [0-9]+' | tail -n 1)"
  count=$((count + 1))
done < <(grep -rhoHE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' . | sed -E 's/^\.\///; s/:func /:/' | sort)
[ "$count" -gt 0 ] || { echo "no fuzz target found"; exit 1; }
echo "fuzz: $count targets, $time each, no failure"
