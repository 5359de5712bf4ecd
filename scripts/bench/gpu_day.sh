#!/usr/bin/env bash
# 'make gpu-day' for a machine that has torch, PyG and Numba and no package registry: the rest comes
# from 'make gpu-pack gpu-peer'. usage: scripts/bench/gpu_day.sh [options of gpu_day]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=${PYTHON:-python3}
site=.gpu/site

test -e "$site" || "$python" -m pip install --quiet --no-index --no-deps --no-compile --target "$site" .gpu/*.whl
export PYTHONPATH=src:$site:.gpu/peers${PYTHONPATH:+:$PYTHONPATH}
exec "$python" -m scripts.bench.gpu_day "$@"
