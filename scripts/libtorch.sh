#!/usr/bin/env bash
# Installs LibTorch 2.9.0 from PyPI, for machines that cannot reach download.pytorch.org, from which
# the build of the feature `tch` downloads it otherwise. Prints the environment variables for the
# build:
#
#     eval "$(scripts/libtorch.sh [FOLDER])"
#     cargo run --release -p resnet-infer --features tch -- backends
#
# FOLDER (default: ~/.cache/resnet-burn/libtorch) caches the library, about 1.5 GB, for the next
# call. The wheel for Linux on x86-64 is built for CUDA. The script uses only its CPU part: the CUDA
# libraries need 3 GB more.
set -euo pipefail

version=2.9.0
cuda_runtime=12.8.90
folder="${1:-${HOME:?expected the variable HOME, or a folder as argument}/.cache/resnet-burn/libtorch}"
home="$folder/$version"

say() { echo "libtorch.sh: $*" >&2; }
fail() { say "$*"; exit 1; }

# Creates the folder atomically: it appears complete or not at all.
install() {
  local python
  python="$(command -v python3)" || fail "expected python3 with pip, found none: install python3-pip"
  "$python" -m pip --version > /dev/null 2>&1 || fail "expected pip for $python, found none: install python3-pip"
  command -v "${CC:-cc}" > /dev/null || fail "expected a C compiler, found none: install gcc"
  mkdir -p "$folder"
  local new
  new="$(mktemp -d "$folder/.new-XXXXXX")"
  trap "rm -rf '$new'" EXIT

  say "downloading PyTorch $version, about 900 MB"
  pip_install() { "$python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$new/wheels" "$@" >&2; }
  pip_install "torch==$version" || fail "PyTorch $version cannot be installed from PyPI: see the message of pip above"

  mkdir "$new/lib"
  if [ -e "$new/wheels/torch/lib/libtorch_cuda.so" ]; then
    # libtorch_cpu.so links to these two libraries. An empty libtorch.so replaces the real one,
    # which would load the rest of CUDA.
    pip_install "nvidia-cuda-runtime-cu12==$cuda_runtime" "nvidia-cuda-cupti-cu12==$cuda_runtime" ||
      fail "CUDA's runtime cannot be installed from PyPI: see the message of pip above"
    ln -s ../wheels/torch/lib/{libtorch_cpu.so,libc10.so,libgomp.so.1} "$new/lib/"
    ln -s ../wheels/nvidia/cuda_cupti/lib/libcupti.so.12 ../wheels/nvidia/cuda_runtime/lib/libcudart.so.12 "$new/lib/"
    "${CC:-cc}" -shared -o "$new/lib/libtorch.so" -Wl,-soname,libtorch.so -xc /dev/null
    rm -f "$new"/wheels/torch/lib/lib{torch_cuda,torch_cuda_linalg}.so
  else
    for library in "$new"/wheels/torch/lib/*; do
      ln -s "../wheels/torch/lib/${library##*/}" "$new/lib/"
    done
  fi
  for library in "$new"/lib/*; do
    [ -e "$library" ] || fail "the wheel lacks ${library##*/}: expected the wheel of PyTorch $version"
  done

  # Another call may have created the folder in the meantime.
  mv -T "$new" "$home" 2> /dev/null || [ -d "$home/lib" ] || fail "$home cannot be written"
}

[ -d "$home/lib" ] || install

cat << END
export LIBTORCH='$home/wheels/torch'
export LIBTORCH_INCLUDE='$home/wheels/torch'
export LIBTORCH_LIB='$home'
END
