"""Benchmarks quantized networks against ONNX Runtime's, for docs/src/quantization.md.

    python -m venv .venv && .venv/bin/pip install torch==2.9.0 torchvision==0.24.0 onnx onnxruntime numpy
    cargo build --release -p resnet-infer
    .venv/bin/python docs/compare/int8.py --resnet-infer target/release/resnet-infer --images FOLDER

torchvision creates each network with random weights. Both quantizers calibrate on the same images,
at most --count of them. ONNX Runtime's is `quantize_static` with QDQ nodes, a scale for each output
channel of weights, and `u8` activations. Each measurement runs in its own process, and each round
runs all of them once, in turn. The table shows the median over the rounds of each round's median
time, and the largest peak memory.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).parent
OURS, OURS8, ORT, ORT8 = "`cpu`", "`cpu`, int8", "ONNX Runtime", "ONNX Runtime, int8"


def files(images):
    found = sorted(path for path in pathlib.Path(images).rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    return found


def export(name, batch, folder, images, count):
    """Writes the weights, the ONNX file and ONNX Runtime's quantized file of a network."""
    import torch
    import torchvision
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process
    from PIL import Image

    torch.manual_seed(0)
    model = torchvision.models.get_model(name, weights=None).eval()
    torch.save(model.state_dict(), f"{folder}/{name}.pth")
    onnx = f"{folder}/{name}_{batch}.onnx"
    x = torch.zeros(int(batch), 3, 224, 224)
    torch.onnx.export(model, x, onnx, input_names=["x"], opset_version=17, dynamo=False)
    transform = torchvision.transforms._presets.ImageClassification(crop_size=224)

    class Reader(CalibrationDataReader):
        def __init__(self):
            found = files(images)
            count_found = min(count, len(found))
            chosen = [found[index * len(found) // count_found] for index in range(count_found)]
            batches = [transform(Image.open(path).convert("RGB")).numpy()[None].repeat(int(batch), 0) for path in chosen]
            self.feeds = iter([{"x": each} for each in batches])

        def get_next(self):
            return next(self.feeds, None)

    quant_pre_process(onnx, onnx + ".pre")
    quantize_static(onnx + ".pre", onnx + ".int8", Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)


def run(command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {result.stderr}")
    lines = result.stdout.strip().splitlines()
    return json.loads(lines[-1]) if lines else None


def main():
    if sys.argv[1:2] == ["export"]:
        return export(*sys.argv[2:6], int(sys.argv[6]))
    parser = argparse.ArgumentParser()
    parser.add_argument("--resnet-infer", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--models", default="resnet18,resnet50,resnext50_32x4d")
    parser.add_argument("--batch-sizes", default="1,8")
    parser.add_argument("--count", default="32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", default="10")
    parser.add_argument("--flags", default="", help="flags of `resnet-infer quantize`, such as --fastest")
    args = parser.parse_args()

    peers = HERE / "peers.py"
    with tempfile.TemporaryDirectory() as folder:
        for batch in args.batch_sizes.split(","):
            names = [OURS, OURS8, ORT, ORT8]
            print("| batch of", batch, "|", " | ".join(names), "| to own float | to ONNX Runtime |")
            print("|---|---:|---:|---:|---:|---:|---:|")
            for model in args.models.split(","):
                run([sys.executable, __file__, "export", model, batch, folder, args.images, args.count])
                pth, int8 = f"{folder}/{model}.pth", f"{folder}/{model}.safetensors"
                run([args.resnet_infer, "quantize", "--weights", pth, "--arch", model, "--calibrate", args.images,
                     "--images", args.count, "-o", int8, *args.flags.split()] + ["--json"])

                def ours(*weights):
                    return [args.resnet_infer, "bench", "--json", "--fuse", "--backend", "cpu", "--batch-size", batch,
                            "--runs", args.runs, "--weights", *weights]

                onnx = f"{folder}/{model}_{batch}.onnx"
                commands = {
                    OURS: ours(pth, model),
                    OURS8: ours(int8),
                    ORT: [sys.executable, peers, "onnxruntime", onnx, args.runs],
                    ORT8: [sys.executable, peers, "onnxruntime", onnx + ".int8", args.runs],
                }
                found = {name: [] for name in commands}
                for _ in range(args.rounds):
                    for name, command in commands.items():
                        found[name].append(run(command))
                times = {name: statistics.median(row["median_ms"] for row in rows) for name, rows in found.items()}
                peaks = {name: max(row["peak_mb"] for row in rows) for name, rows in found.items()}
                cells = [f"{times[name]:.1f} ms, {peaks[name]:.0f} MB" for name in names]
                ratios = [f"{times[OURS8] / times[other]:.2f}" for other in (OURS, ORT8)]
                print(f"| {model} | " + " | ".join(cells + ratios) + " |", flush=True)


main()
