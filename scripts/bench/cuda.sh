#!/usr/bin/env bash
# Measures on a CUDA device what the CPU benchmarks measure on a CPU, at Reddit's size, as if the
# device had 24 GiB. usage: scripts/bench/cuda.sh [--data-dir DIR] (other options go to every program)
# Writes results/bench/cuda-*.csv. PyG's out-of-memory is a row with status oom.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=${PYTHON:-python}
common=(--device cuda --scale 1 --memory-limit-gib 24 --repeats 10 "$@")

"$python" -c 'import torch; assert torch.cuda.is_available(), "torch finds no CUDA device"'
"$python" -m scripts.bench.kernels "${common[@]}" \
    --only "gat 8x8,gatv2 8x8,gat 1x256,gatv2 1x256,sage 256,gcn 256"
"$python" -m scripts.bench.step "${common[@]}" --batches 0 --repeats 3 \
    --only "sage epoch,gat epoch,gatv2 epoch"
"$python" -m scripts.bench.step "${common[@]}" \
    --only "exact evaluation,full gat 3 layers 1 head,full gat 3 layers 2 heads"
"$python" -m scripts.bench.scaling "${common[@]}"
