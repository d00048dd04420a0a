"""Benchmarks training steps and image loading against PyTorch, for docs/src/performance.md.

    python -m venv .venv && .venv/bin/pip install torch==2.9.0 torchvision==0.24.0 timm numpy
    cargo build --release -p resnet-train --features flex,tch
    .venv/bin/python docs/compare/training.py --resnet-train target/release/resnet-train [--images FOLDER] [--rounds 3] [--only detectors]

Each measurement runs in its own process. Each round runs all of them once, in turn. The table shows
the median over the rounds of each round's median. FOLDER contains photos, one subfolder per class.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

CASES = [("resnet18", 8, 64, 20), ("resnet18", 8, 224, 6), ("resnext50_32x4d", 8, 96, 8), ("cifar_resnet20", 128, 32, 8)]
DETECTORS = [("fasterrcnn_resnet50_fpn", 2, 400, 4)]


def cifar_resnet20():
    """Returns ResNet-20 of He et al. 2015, section 4.2, with option A shortcuts, as in akamaster's `resnet.py`."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            self.stride, self.more = stride, outputs - inputs

        def forward(self, x):
            y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
            if self.more:
                x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.more // 2, self.more // 2))
            return F.relu(x + y)

    blocks = [Block(i, o, s) for i, o, s in [(16, 16, 1)] * 3 + [(16, 32, 2)] + [(32, 32, 1)] * 2 + [(32, 64, 2)] + [(64, 64, 1)] * 2]
    stem = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def peer_step(name, batch, size, runs):
    import torch
    import torchvision

    torch.manual_seed(0)
    model = cifar_resnet20() if name == "cifar_resnet20" else torchvision.models.get_model(name, weights=None)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x, y = torch.randn(batch, 3, size, size), torch.zeros(batch, dtype=torch.long)
    times = []
    for _ in range(3 + runs):
        start = time.perf_counter()
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        loss.item()
        times.append(1000 * (time.perf_counter() - start))
    print(json.dumps(dict(median_ms=statistics.median(times[3:]))))


def peer_detector_step(name, batch, size, runs):
    """Steps of torchvision's fine-tuning: frozen norms, stem and first stage."""
    import torch
    import torchvision
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

    torch.manual_seed(0)
    assert name == "fasterrcnn_resnet50_fpn"
    norm = torchvision.ops.FrozenBatchNorm2d
    backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=norm, trainable_layers=3)
    model = torchvision.models.detection.FasterRCNN(backbone, 91, min_size=size).train()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.01, momentum=0.9)
    images = [torch.rand(3, size, size) for _ in range(batch)]
    side = size / 4
    corners = [[2 * x * side, 2 * y * side, 2 * x * side + side, 2 * y * side + side] for y in (0, 1) for x in (0, 1)]
    targets = [dict(boxes=torch.tensor(corners), labels=torch.ones(4, dtype=torch.long)) for _ in range(batch)]
    times = []
    for _ in range(3 + runs):
        start = time.perf_counter()
        optimizer.zero_grad()
        loss = sum(model(images, targets).values())
        loss.backward()
        optimizer.step()
        loss.item()
        times.append(1000 * (time.perf_counter() - start))
    print(json.dumps(dict(median_ms=statistics.median(times[3:]))))


def peer_data(folder, batch, workers):
    import torch
    from torchvision import datasets, transforms as T

    torch.set_num_threads(1)
    normalize = T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    steps = T.Compose([T.RandomResizedCrop(224), T.RandomHorizontalFlip(), T.ToTensor(), normalize])
    images = datasets.ImageFolder(folder, steps, is_valid_file=lambda path: path.endswith(".jpg"))
    loader = torch.utils.data.DataLoader(images, batch, shuffle=True, num_workers=workers)
    start, count = time.perf_counter(), 0
    for x, _ in loader:
        count += len(x)
    print(json.dumps(dict(images_per_second=count / (time.perf_counter() - start))))


def run(command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    lines = result.stdout.strip().splitlines()
    if not lines:
        sys.exit(f"{' '.join(map(str, command))}: {result.stderr}")
    return json.loads(lines[-1])


def table(title, unit, columns, rounds):
    """Runs every column once per round and prints the median of each."""
    values = {name: [] for name, _, _ in columns}
    for _ in range(rounds):
        for name, command, key in columns:
            values[name].append(run(command)[key])
    median = {name: statistics.median(found) for name, found in values.items()}
    first = next(iter(median.values()))
    print(f"\n{title}")
    for name, value in median.items():
        print(f"  {name:32} {value:9.1f} {unit}  {value / first:5.2f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--resnet-train", required=True)
    parser.add_argument("--images")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["detectors"])
    args = parser.parse_args()
    ours, python = args.resnet_train, [sys.executable, __file__]
    for name, batch, size, runs in DETECTORS:
        numbers = [name, batch, size, runs]
        step = [ours, "bench", "step", name, "--batch-size", batch, "--size", size, "--runs", runs]
        columns = [("PyTorch", python + ["detector-step"] + numbers, "median_ms")]
        columns += [("cpu", step + ["--backend", "cpu"], "median_ms")]
        table(f"{name}, batch {batch}, {size} pixels", "ms", columns, args.rounds)
    if args.only:
        return
    for name, batch, size, runs in CASES:
        step = [ours, "bench", "step", name, "--batch-size", batch, "--size", size, "--runs", runs]
        columns = [("PyTorch", python + ["step", name, batch, size, runs], "median_ms")]
        columns += [("tch", step + ["--backend", "tch:cpu"], "median_ms")]
        columns += [("tch, bare loop", step + ["--backend", "tch:cpu", "--bare"], "median_ms")]
        few = step[:-1] + [max(2, runs // 4)]
        columns += [("cpu", step + ["--backend", "cpu"], "median_ms")]
        columns += [("flex", few + ["--backend", "flex"], "median_ms")]
        table(f"{name}, batch {batch}, {size} pixels", "ms", columns, args.rounds)
    if args.images:
        load = [ours, "bench", "data", args.images, "--batch-size", 32]
        columns = [
            ("DataLoader, 2 workers", python + ["data", args.images, 32, 2], "images_per_second"),
            ("resnet-data, 2 workers", load + ["--workers", 2], "images_per_second"),
        ]
        table("loading photos, 224 pixels", "images/s", columns, args.rounds)


if __name__ == "__main__":
    match sys.argv[1:2]:
        case ["step"]:
            peer_step(sys.argv[2], *map(int, sys.argv[3:]))
        case ["detector-step"]:
            peer_detector_step(sys.argv[2], *map(int, sys.argv[3:]))
        case ["data"]:
            peer_data(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
        case _:
            main()
