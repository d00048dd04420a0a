"""Measures compiled networks: start, threads, cores, memory and folders, for docs/src/performance.md.

    python -m venv .venv && .venv/bin/pip install torch==2.9.0 torchvision==0.24.0 safetensors pillow numpy
    cargo build --release -p resnet-infer
    cargo build --release -p resnet-engine --examples
    .venv/bin/python docs/compare/engine.py --target target/release --images FOLDER

torchvision creates the networks with random weights. FOLDER contains photos; 200 of them are enlarged to 2
megapixels. All measurements of a line run in turn, and the medians of the rounds are printed. Needs
Linux.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).parent
NAMES = ["resnet18", "resnet50", "wide_resnet50_2"]


def write_weights(folder):
    import torch
    import torchvision
    from safetensors.torch import save_file

    for name in NAMES:
        torch.manual_seed(0)
        save_file(torchvision.models.get_model(name, weights=None).state_dict(), f"{folder}/{name}.safetensors")


def write_photos(images, folder, count=200):
    from PIL import Image

    found = sorted(path for path in pathlib.Path(images).rglob("*.jpg"))
    pathlib.Path(folder).mkdir()
    for index in range(count):
        photo = Image.open(found[index % len(found)]).convert("RGB").resize((1632, 1224), Image.BICUBIC)
        photo.save(f"{folder}/{index:03}.jpg", quality=90)


def peer_folder(folder, batch):
    """Classifies a folder with a DataLoader of two workers."""
    import torch
    import torchvision
    from PIL import Image

    transform = torchvision.transforms._presets.ImageClassification(crop_size=224)
    paths = sorted(pathlib.Path(folder).glob("*.jpg"))

    class Photos(torch.utils.data.Dataset):
        def __len__(self):
            return len(paths)

        def __getitem__(self, index):
            return transform(Image.open(paths[index]).convert("RGB"))

    model = torchvision.models.resnet50(weights=None).eval()
    start = time.perf_counter()
    with torch.inference_mode():
        for x in torch.utils.data.DataLoader(Photos(), batch, num_workers=2):
            model(x).softmax(1)
    print(json.dumps(dict(images_per_second=len(paths) / (time.perf_counter() - start))))


def run(command, **env):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=os.environ | env)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {result.stderr}")
    return result.stdout.strip().splitlines()


def last(command, key, **env):
    return json.loads(run(command, **env)[-1])[key]


def seconds(command):
    start = time.perf_counter()
    run(command)
    return time.perf_counter() - start


def peak(command):
    """Returns the peak memory of a process in MB. A child of this process would count its memory until `exec`."""
    code = "import os, subprocess, sys; p = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, " \
        "stderr=subprocess.DEVNULL); print(os.wait4(p.pid, 0)[2].ru_maxrss)"
    kib = run([sys.executable, "-c", code, *command])[-1]
    return int(kib) * 1024 / 1e6


def in_turn(rounds, **work):
    found = {name: [] for name in work}
    for _ in range(rounds):
        for name, measure in work.items():
            found[name].append(measure())
    return {name: statistics.median(values) for name, values in found.items()}


def main():
    if sys.argv[1:2] == ["folder"]:
        return peer_folder(sys.argv[2], int(sys.argv[3]))
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True, help="folder of the release build")
    parser.add_argument("--images", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    infer, examples = f"{args.target}/resnet-infer", f"{args.target}/examples"
    with tempfile.TemporaryDirectory() as folder:
        write_weights(folder)
        write_photos(args.images, f"{folder}/photos")
        weights = f"{folder}/resnet50.safetensors"
        photo = f"{folder}/photos/000.jpg"

        for name in NAMES:
            one = [infer, "classify", photo, "--weights", f"{folder}/{name}.safetensors", "--backend", "cpu"]
            found = [max(peak(one + flags) for _ in range(3)) for flags in ([], ["--memory", "low"])]
            print(f"peak memory of classify, {name}: {found[0]:.0f} MB, with --memory low {found[1]:.0f} MB", flush=True)

        one = [infer, "classify", photo, "--weights", weights, "--backend", "cpu"]
        found = in_turn(2 * args.rounds, start=lambda: seconds(one))
        print(f"start to first result, resnet50: {found['start']:.2f} s", flush=True)

        for line in run([f"{examples}/threads", "resnet50", "4"]):
            print("threads:", line, flush=True)

        def bench(*flags, **env):
            command = [infer, "bench", "resnet50", "--fuse", "--backend", "cpu", "--json", *flags]
            return lambda: last(command, "median_ms", **env)

        found = in_turn(args.rounds, one=bench(RAYON_NUM_THREADS="1"), two=bench(RAYON_NUM_THREADS="2"))
        print(f"one core {found['one']:.1f} ms, two {found['two']:.1f} ms: {found['one'] / found['two']:.2f}", flush=True)

        found = in_turn(args.rounds, f32=bench(), f16=bench("--dtype", "f16"), bf16=bench("--dtype", "bf16"))
        print("16-bit types:", ", ".join(f"{name} {value:.1f} ms" for name, value in found.items()), flush=True)

        eager = [sys.executable, HERE / "peers.py", "eager", "resnet50", 1, 224, 10]
        limit = dict(ONEDNN_MAX_CPU_ISA="AVX2", ATEN_CPU_CAPABILITY="avx2")
        found = in_turn(
            args.rounds,
            ours=bench(RESNET_CPU_SIMD="avx2"),
            peer=lambda: last(eager, "median_ms", **limit),
        )
        print(f"AVX2 only: {found['ours']:.1f} ms, PyTorch {found['peer']:.1f} ms: {found['ours'] / found['peer']:.2f}", flush=True)

        photos = f"{folder}/photos"
        ours = [infer, "classify", photos, "--weights", weights, "--backend", "cpu", "--json"]
        peer = [sys.executable, __file__, "folder", photos, 16]
        found = in_turn(
            max(2, args.rounds // 2),
            ours=lambda: 200 / seconds(ours),
            peer=lambda: last(peer, "images_per_second"),
        )
        print(f"200 photos of 2 MP: {found['ours']:.1f} images/s, PyTorch {found['peer']:.1f}: {found['ours'] / found['peer']:.2f}")


main()
