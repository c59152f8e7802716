#!/usr/bin/env bash
# The main job, from nothing: the same network in Python and in C++, recorded under two tools, read, agreed and diffed.
# Results go to the directory given as the first argument (default: profkit-demo in the current directory).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
results=${1:-profkit-demo}
source "$here/setup.sh" torch # an argument, or it would see those of this script
mkdir -p "$results"

for tool in torch callgrind; do
    for implementation in pytorch libtorch; do
        echo "== profkit record --impl $implementation --tool $tool"
        profkit record --impl "$implementation" --tool "$tool" --batch-size 64 \
            --runs "$results/runs" --force -o "$results/$implementation-$tool.json"
    done
done

for tool in torch callgrind; do
    echo
    echo "== profkit diff pytorch-$tool.json libtorch-$tool.json"
    profkit diff "$results/pytorch-$tool.json" "$results/libtorch-$tool.json"
done

echo
echo "== profkit agree"
profkit agree --batch-size 64
