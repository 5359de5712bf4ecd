#!/usr/bin/env bash
# Builds torch_sparse and torch_scatter, without which PyG's NeighborLoader does not run, for the
# torch of another machine: PyPI has only their sources. Needs g++, 600 MB of downloads and half an
# hour on two cores. usage: scripts/bench/pack_peer.sh TORCH_VERSION PYTHON_VERSION FOLDER
set -euo pipefail
torch_version=$1 python_version=$2 folder=$3
python=${PYTHON:-python3}
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT

"$python" -m pip download --quiet --no-deps --only-binary=:all: --python-version "$python_version" \
    --platform manylinux_2_28_x86_64 -d "$work" "torch==$torch_version"
"$python" -m zipfile -e "$work"/torch-*.whl "$work/torch"
"$python" -m pip download --quiet --no-deps --no-binary=:all: --no-build-isolation -d "$work" \
    torch_scatter==2.1.2 torch_sparse==0.6.18
headers=$work/torch/torch/include libraries=$work/torch/torch/lib

for source in "$work"/torch_s*.tar.gz; do
    tar -xzf "$source" -C "$work"
    package=$(basename "${source%-*}") checkout=${source%.tar.gz}
    rm -rf "${folder:?}/$package" && mkdir -p "$folder"
    cp -r "$checkout/$package" "$checkout/$package.egg-info" "$folder"
    for main in "$checkout"/csrc/*.cpp; do
        name=$(basename "$main" .cpp)
        g++ -O2 -std=c++17 -shared -fPIC -fopenmp -DAT_PARALLEL_OPENMP -w -s \
            -I"$headers" -I"$headers/torch/csrc/api/include" -I"$checkout/csrc" \
            -I"$checkout/third_party/parallel-hashmap" \
            "$main" $(ls "$checkout/csrc/cpu/${name}_cpu.cpp" 2>/dev/null) \
            -o "$folder/$package/_${name}_cpu.so" -L"$libraries" -ltorch_cpu -lc10 \
            -Wl,--no-undefined -Wl,--unresolved-symbols=ignore-in-shared-libs
    done
done
