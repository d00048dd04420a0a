"""Benchmarks COCO's metrics against pycocotools, for docs/src/performance.md.

    python -m venv .venv && .venv/bin/pip install pycocotools==2.0.10 numpy
    cargo build --release -p resnet-data --features annotations --example coco_metrics
    .venv/bin/python docs/compare/coco_metrics.py --ours target/release/examples/coco_metrics [--rounds 3]

The images are as many and as full as COCO val2017's: 5000 images with 7 objects of 80 categories, and
100 detections per image for boxes (30 for masks). Both programs read the same files and take turns.
"""

import argparse
import contextlib
import io
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

WIDTH, HEIGHT = 640, 480


def box(draw):
    width, height = draw.uniform(10, 300), draw.uniform(10, 300)
    return [draw.uniform(0, WIDTH - width), draw.uniform(0, HEIGHT - height), width, height]


def near(draw, corners):
    """Returns a box that overlaps another one."""
    x, y, w, h = corners
    return [x + draw.gauss(0, w / 10), y + draw.gauss(0, h / 10), w * draw.uniform(0.8, 1.2), h * draw.uniform(0.8, 1.2)]


def polygon(corners):
    x, y, w, h = corners
    return [x, y + h / 2, x + w / 3, y, x + w, y + h / 3, x + w * 0.7, y + h]


def rle(corners):
    from pycocotools import mask

    encoded = mask.merge(mask.frPyObjects([polygon(corners)], HEIGHT, WIDTH))
    return dict(size=encoded["size"], counts=encoded["counts"].decode())


def write(folder, images, detections, masks):
    draw = random.Random(1)
    truth = dict(
        info={},
        images=[dict(id=i, width=WIDTH, height=HEIGHT, file_name=f"{i}.jpg") for i in range(1, images + 1)],
        categories=[dict(id=i, name=str(i)) for i in range(1, 81)],
        annotations=[],
    )
    results = []
    for image in range(1, images + 1):
        objects = [(draw.randint(1, 80), box(draw)) for _ in range(7)]
        for category, corners in objects:
            annotation = dict(id=len(truth["annotations"]) + 1, image_id=image, category_id=category, iscrowd=0)
            annotation |= dict(bbox=corners, area=corners[2] * corners[3], segmentation=[polygon(corners)])
            truth["annotations"].append(annotation)
        for i in range(detections):
            category, corners = objects[i % 7] if i < 21 else (draw.randint(1, 80), box(draw))
            corners = near(draw, corners)
            result = dict(image_id=image, category_id=category, score=draw.random())
            results.append(result | (dict(segmentation=rle(corners)) if masks else dict(bbox=corners)))
    paths = [os.path.join(folder, name) for name in ("truth.json", "results.json")]
    for path, value in zip(paths, (truth, results)):
        with open(path, "w") as file:
            json.dump(value, file)
    return paths


def peer(truth, results, kind):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(truth)
        evaluation = COCOeval(truth, truth.loadRes(results), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    seconds = time.perf_counter() - start
    print(json.dumps(dict(seconds=seconds, numbers=list(evaluation.stats))))


def run(command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout.splitlines()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    for task, kind, detections in (("boxes", "bbox", 100), ("masks", "segm", 30)):
        with tempfile.TemporaryDirectory() as folder:
            files = write(folder, args.images, detections, task == "masks")
            times, worst = {"pycocotools": [], "resnet-data": []}, 0.0
            for _ in range(args.rounds):
                theirs = json.loads(run([sys.executable, __file__, "peer", *files, kind])[-1])
                *numbers, seconds = run([args.ours, *files, task])
                numbers = [float(line.split()[1]) for line in numbers]
                worst = max(worst, *(abs(a - b) for a, b in zip(numbers, theirs["numbers"])))
                times["pycocotools"].append(theirs["seconds"])
                times["resnet-data"].append(float(seconds.split()[0]))
            print(f"{task}, {args.images} images, {detections} detections each; largest difference {worst:.0e}")
            for name, found in times.items():
                print(f"  {name:12} {statistics.median(found):7.2f} s")


if __name__ == "__main__":
    if sys.argv[1:2] == ["peer"]:
        peer(*sys.argv[2:])
    else:
        main()
