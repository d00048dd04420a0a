"""Draws the picture of the README from what the commands print.

    cargo build --release -p resnet-infer -p resnet-train
    pip install matplotlib pillow
    python docs/picture.py target/release

The speed panel shows the column `resnet50` of the README's table.
"""

import csv
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from PIL import Image

ROOT = Path(__file__).parent.parent
PHOTO = ROOT / "resnet-infer/sample/chelsea.png"
BLUE, ORANGE, GRAY = "#2563a8", "#d9772b", "#b9c0c8"


def run(program, *args):
    return subprocess.run([program, *args], check=True, capture_output=True, text=True).stdout


def classify(programs):
    args = ["classify", PHOTO, "--model", "cifar_resnet20", "--top-k", "3", "--json"]
    return json.loads(run(programs / "resnet-infer", *args))["predictions"]


def train(programs):
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run"
        run(programs / "resnet-train", "train", "shapes", "--output", output)
        with open(output / "metrics.csv", newline="") as file:
            return list(csv.DictReader(file))


def speed():
    """Milliseconds for one image in a ResNet-50."""
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| ([\d.]+)( ms)?, ", (ROOT / "README.md").read_text(), re.M)
    base = next(float(value) for _, value, unit in rows if unit)
    times = {name.strip("`").replace("`", ""): float(value) * (1 if unit else base) for name, value, unit in rows}
    return sorted(times.items(), key=lambda item: -item[1])


def main():
    programs = Path(sys.argv[1]).resolve()
    plt.rcParams.update({"font.family": "DejaVu Sans", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure = plt.figure(figsize=(12, 3.6), layout="constrained")
    grid = figure.add_gridspec(2, 3, height_ratios=[2.4, 1], width_ratios=[1.25, 1.5, 1.5], wspace=0.08)
    photo, bars = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0])
    curves, times = figure.add_subplot(grid[:, 1]), figure.add_subplot(grid[:, 2])

    photo.imshow(Image.open(PHOTO))
    photo.axis("off")
    photo.set_title("resnet-infer classify", loc="left", family="DejaVu Sans Mono")

    found = classify(programs)[::-1]
    bars.barh([item["label"] for item in found], [100 * item["probability"] for item in found], color=BLUE, height=0.5)
    for place, item in enumerate(found):
        bars.text(100 * item["probability"] + 3, place, f"{100 * item['probability']:.1f} %", va="center", clip_on=False)
    bars.set_xlim(0, 135)
    bars.set_xticks([])
    bars.spines["bottom"].set_visible(False)
    bars.tick_params(left=False)

    epochs = train(programs)
    numbers = [int(epoch["epoch"]) for epoch in epochs]
    top1 = [100 * float(epoch["top1"]) for epoch in epochs]
    curves.plot(numbers, top1, color=BLUE, marker="o", markersize=4)
    curves.text(numbers[-1], top1[-1] - 9, f"{top1[-1]:.0f} %", color=BLUE, ha="right")
    curves.set_ylim(0, 105)
    curves.set_xlabel("epoch")
    curves.set_ylabel("top-1 accuracy, %")
    seconds = sum(float(epoch["seconds"]) for epoch in epochs)
    curves.set_title("resnet-train train shapes", loc="left", family="DejaVu Sans Mono")
    curves.text(numbers[0], 96, f"{seconds:.0f} s on two cores", color="#555555")

    peers = [item for item in speed() if not item[0].startswith(("flex", "tch"))]
    names = [name.replace("cpu, fused", "this project") for name, _ in peers]
    colors = [ORANGE if name == "this project" else GRAY for name in names]
    times.barh(names, [value for _, value in peers], color=colors, height=0.6)
    for place, (_, value) in enumerate(peers):
        times.text(value + 2, place, f"{value:.0f}", va="center")
    times.set_title("ResNet-50, one image, ms (CPU)", loc="left")
    times.set_xticks([])
    times.spines["bottom"].set_visible(False)
    figure.savefig(ROOT / "docs/src/images/at-work.png", dpi=110)


main()
