"""Benchmarks detection and segmentation against torchvision and ONNX Runtime, for docs/src/performance.md.

    python -m venv .venv && .venv/bin/pip install torch==2.9.0 torchvision==0.24.0 onnx onnxruntime numpy
    cargo build --release -p resnet-infer
    .venv/bin/python docs/compare/dense.py --resnet-infer target/release/resnet-infer [--models …] [--rounds 3]

torchvision creates each network with random weights and saves them; all programs run these weights.
R-CNNs keep every box (`box_score_thresh=0`), so that they have 100 detections per image. Times of
detectors include preprocessing and post-processing; times of segmentation are the forward pass. Each measurement runs in its own process, and each round runs all of
them once, in turn. The table shows the median over the rounds of each round's median time, and the
largest peak memory.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time

OURS = "`cpu`, fused"
EAGER = "PyTorch eager"
ORT = "ONNX Runtime"
# Image size and options.
MODELS = {
    "deeplabv3_resnet50": ("520x520", {}),
    "fcn_resnet50": ("520x520", {}),
    "fasterrcnn_resnet50_fpn": ("800x1066", {"box_score_thresh": 0.0}),
    "maskrcnn_resnet50_fpn": ("800x1066", {"box_score_thresh": 0.0}),
    "retinanet_resnet50_fpn": ("800x1066", {}),
}


def network(name):
    import torch
    import torchvision

    torch.manual_seed(0)
    size, options = MODELS[name]
    model = torchvision.models.get_model(name, weights=None, weights_backbone=None, **options).eval()
    height, width = map(int, size.split("x"))
    image = torch.rand(3, height, width)
    segmentation = name.startswith(("fcn", "deeplab"))
    return model, image[None] if segmentation else [image]


def report(times):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps(dict(median_ms=statistics.median(times), peak_mb=peak)))


def measure(run, runs):
    run()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    report(times)


def save(name, path):
    import torch

    torch.save(network(name)[0].state_dict(), path)


def export(name, path):
    import torch

    model, x = network(name)
    with torch.no_grad():
        torch.onnx.export(model, (x,), path, opset_version=17, dynamo=False, input_names=["image"])


def eager(name, runs):
    import torch

    model, x = network(name)
    with torch.inference_mode():
        measure(lambda: model(x), int(runs))


def onnxruntime(name, path, runs):
    import numpy
    import onnxruntime as ort

    height, width = map(int, MODELS[name][0].split("x"))
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    x = numpy.random.default_rng(0).random((3, height, width), dtype=numpy.float32)
    x = x[None] if len(entry.shape) == 4 else x
    measure(lambda: session.run(None, {entry.name: x}), int(runs))


def run(command, optional=False):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode != 0:
        if optional:
            print(f"{' '.join(map(str, command))}: {result.stderr[-400:]}", file=sys.stderr)
            return None
        sys.exit(f"{' '.join(map(str, command))}: {result.stderr}")
    lines = result.stdout.strip().splitlines()
    return json.loads(lines[-1]) if lines else {}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--resnet-infer", required=True)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", default="5")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in args.models.split(","):
            size, options = MODELS[name]
            weights, onnx = f"{folder}/{name}.pth", f"{folder}/{name}.onnx"
            python = [sys.executable, __file__, "--worker"]
            run([*python, "save", name, weights])
            changes = [flag for option in options.items() for flag in ("--set", "{}={}".format(*option))]
            entries = {
                EAGER: [*python, "eager", name, args.runs],
                OURS: [args.resnet_infer, "bench", "--weights", weights, "--backend", "cpu", "--size", size,
                       "--fuse", "--runs", args.runs, "--warmup", "0", "--json", *changes],
            }
            if run([*python, "export", name, onnx], optional=True) is not None:
                entries[ORT] = [*python, "onnxruntime", name, onnx, args.runs]
            found = {entry: [] for entry in entries}
            for _ in range(args.rounds):
                for entry, command in entries.items():
                    result = run(command, optional=entry == ORT)
                    found[entry] += [result] if result else []
            cells = {}
            for entry, results in found.items():
                if results:
                    ms = statistics.median(result["median_ms"] for result in results)
                    cells[entry] = (ms, max(result["peak_mb"] for result in results))
            print(json.dumps({name: cells}), file=sys.stderr, flush=True)
            rows.append((name, size, cells))
    print(f"| | image | {EAGER} | {OURS} | ratio | {ORT} |")
    print("|---|---|---:|---:|---:|---:|")
    for name, size, cells in rows:
        cell = {entry: f"{ms:.0f} ms, {mb:.0f} MB" for entry, (ms, mb) in cells.items()}
        ratio = cells[OURS][0] / cells[EAGER][0]
        print(f"| `{name}` | {size} | {cell[EAGER]} | {cell[OURS]} | {ratio:.2f} | {cell.get(ORT, '-')} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker, *rest = sys.argv[2:]
        {"save": save, "export": export, "eager": eager, "onnxruntime": onnxruntime}[worker](*rest)
    else:
        main()
