"""Benchmarks inference on this project's backends and the alternatives, for docs/src/performance.md.

    python -m venv .venv && .venv/bin/pip install torch==2.9.0 torchvision==0.24.0 timm onnx onnxruntime numpy
    cargo build --release -p resnet-infer --features flex,ndarray,tch,wgpu
    cargo build --release --manifest-path docs/compare/rust/Cargo.toml
    .venv/bin/python docs/compare/compare.py --resnet-infer target/release/resnet-infer \
        --peers docs/compare/rust/target/release/peers [--models …] [--batch-sizes 1,8] [--rounds 3]

Each measurement runs in its own process. Each round runs all of them once, in turn, so that noise
of the machine affects all equally. The table shows the median over the rounds of each round's
median time, relative to PyTorch eager in the same table, and the largest peak memory. Backends that
need seconds per run get one round of three runs, at batch size 1 only.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
EAGER = "PyTorch eager"
PLAIN = {"resnet18", "resnet34", "resnet50", "resnet101", "resnet152"}
# Name in the table, value of `--backend`, more flags.
OURS = [
    ("`cpu`, fused", "cpu", ["--fuse"]),
    ("`cpu`", "cpu", []),
    ("`tch`, fused", "tch:cpu", ["--fuse"]),
    ("`tch`", "tch:cpu", []),
    ("`flex`, fused", "flex", ["--fuse"]),
]
SLOW = [
    ("`ndarray`, fused", "ndarray", ["--fuse"]),
    ("`wgpu` software renderer, fused", "wgpu:cpu", ["--fuse"]),
]


def run(command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {result.stderr}")
    lines = result.stdout.strip().splitlines()
    return json.loads(lines[-1]) if lines else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--resnet-infer", required=True)
    parser.add_argument("--peers", required=True)
    parser.add_argument("--models", default="resnet18,resnet50,resnext50_32x4d,wide_resnet50_2,resnet50d")
    parser.add_argument("--batch-sizes", default="1,8")
    parser.add_argument("--size", default="224")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", default="10")
    parser.add_argument("--no-slow", action="store_true", help="skip ndarray and the software renderer of wgpu")
    args = parser.parse_args()

    peers = HERE / "peers.py"
    with tempfile.TemporaryDirectory() as folder:
        for batch in args.batch_sizes.split(","):
            table = {}
            for model in args.models.split(","):
                onnx = f"{folder}/{model}_{batch}.onnx"
                run([sys.executable, peers, "export", model, batch, args.size, onnx])

                def ours(backend, flags, runs=args.runs, warmup="3"):
                    return [args.resnet_infer, "bench", model, "--backend", backend, "--batch-size", batch, "--size",
                            args.size, "--runs", runs, "--warmup", warmup, "--json", *flags]

                entries = [(EAGER, [sys.executable, peers, "eager", model, batch, args.size, args.runs])]
                entries += [(name, ours(backend, flags)) for name, backend, flags in OURS]
                entries += [
                    ("PyTorch frozen", [sys.executable, peers, "frozen", model, batch, args.size, args.runs]),
                    ("ONNX Runtime", [sys.executable, peers, "onnxruntime", onnx, args.runs]),
                    ("rten", [args.peers, "rten", onnx, batch, args.size, args.runs]),
                    ("tract", [args.peers, "tract", onnx, batch, args.size, args.runs]),
                ]
                if model in PLAIN:
                    entries.append(("candle", [args.peers, "candle", model, batch, args.size, args.runs]))
                found = {name: [] for name, _ in entries}
                for _ in range(args.rounds):
                    for name, command in entries:
                        found[name].append(run(command))
                for name, backend, flags in [] if args.no_slow or batch != "1" else SLOW:
                    found[name] = [run(ours(backend, flags, "3", "0"))]
                for name, results in found.items():
                    ms = statistics.median(result["median_ms"] for result in results)
                    peak = max(result["peak_mb"] for result in results)
                    table.setdefault(name, {})[model] = (ms, peak)
                    print(json.dumps(dict(model=model, batch=batch, name=name, ms=ms, peak_mb=peak)), file=sys.stderr, flush=True)
            markdown(table, args.models.split(","), batch)


def markdown(table, models, batch):
    def cell(name, model):
        if model not in table[name]:
            return "-"
        ms, peak = table[name][model]
        eager = table[EAGER][model][0]
        figure = f"{ms:.0f} ms" if name == EAGER else f"{ms / eager:.2f}" if ms / eager < 10 else f"{ms / eager:.0f}"
        return f"{figure}, {peak:.0f} MB"

    print(f"\nBatch size {batch}: time relative to PyTorch eager, and peak memory of the process.\n")
    print("| | " + " | ".join(models) + " |")
    print("|---|" + "---:|" * len(models))
    for name in table:
        print(f"| {name} | " + " | ".join(cell(name, model) for model in models) + " |")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
