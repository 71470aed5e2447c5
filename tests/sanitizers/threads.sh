#!/usr/bin/env bash
# Looks for data races in the compiled loops: tests/sanitizers/threads.sh tests/passes/test_passes.py ...
#
# ThreadSanitizer of clang, with LLVM's OpenMP and its tool Archer, which says where threads wait for each other. gcc's
# OpenMP does not say so, and every barrier of it would be a report. Needs clang, libomp and llvm of one version (the
# variable LLVM: where they are), and in the environment that is active the package built with
#   CC=clang pip install ".[test]" -Csetup-args=-Db_sanitize=thread -Csetup-args=-Db_lundef=false
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

: "${LLVM:=$(dirname "$(dirname "$(readlink -f "$(command -v clang)")")")}"
export PATH=$LLVM/bin:$PATH OMP_TOOL_LIBRARIES=$LLVM/lib/libarcher.so
# Python, NumPy and BLAS are not compiled for it: what they do among themselves is not reported
export TSAN_OPTIONS="ignore_noninstrumented_modules=1 allocator_may_return_null=1 exitcode=66"
export OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=1 OMP_WAIT_POLICY=passive

# silence says something only where a race is heard, and a report only where order is seen
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
clang -g -O1 -fopenmp -fsanitize=thread -o "$work/race" tests/sanitizers/race.c
clang -g -O1 -fopenmp -fsanitize=thread -DORDERED -o "$work/ordered" tests/sanitizers/race.c
export LD_LIBRARY_PATH=$LLVM/lib
if "$work/race" > "$work/report" 2>&1 || ! grep -q "data race" "$work/report"; then
    echo "a race was not found: the detector does not work here" >&2
    exit 1
fi
"$work/ordered" > "$work/report" 2>&1 || { cat "$work/report" >&2; exit 1; }

runtime=$(clang -print-file-name=libclang_rt.tsan-x86_64.so)
if ! LD_PRELOAD=$runtime env true; then
    echo "the detector cannot be loaded before Python: that of clang 14 cannot, that of 19 can" >&2
    exit 1
fi
LD_PRELOAD=$runtime python -m pytest -q -s -o faulthandler_timeout=0 "$@"
