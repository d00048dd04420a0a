"""Writes the catalogue of pretrained weights from what their publishers say of them.

    pip install torch==2.9.0 torchvision==0.24.0 timm==1.0.31
    python generate.py TIMM_REPOSITORY [--labels] && cargo fmt

TIMM_REPOSITORY is a checkout of https://github.com/huggingface/pytorch-image-models, for `results/*.csv`. Written are
`catalogue.csv` and `../src/catalogue/ids.rs`; with `--labels` also `../src/labels/imagenet12k.txt`.

timm's table gives the sets, files, licenses and preprocessing; its results the accuracies; torchvision's table those of
its own seventeen, with sizes. Parameters and multiply-accumulates (convolutions and linear layers) are counted on the models.
"""

import csv
import math
import pathlib
import re
import sys

import timm
import torch
import torchvision
from timm.data import ImageNetInfo
from timm.models.resnet import Bottleneck, default_cfgs

# Sets of networks this zoo does not have: irregular widths after pruning, and SENet-154's reduced first convolutions.
OTHER_NETWORKS = {"ecaresnet50d_pruned", "ecaresnet101d_pruned", "senet154"}
HERE = pathlib.Path(__file__).parent
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
LICENCES = {
    "apache-2.0": "Apache-2.0", "bsd-3-clause": "BSD-3-Clause", "cc-by-nc-4.0": "CC-BY-NC-4.0", None: "unstated",
}
IDS = """//! The ids of all sets as constants, so that the compiler finds a typo. Written by `catalogue/generate.py`.

use super::names::Id;
"""
COLUMNS = [
    "id", "default", "torchvision", "url", "hub", "mib", "notes", "classes", "license", "origin", "parameters", "gmacs",
    "filter", "mean", "std", "resize", "crop", "top1", "top5",
    "train_resize", "train_crop", "train_top1", "train_top5",
]


def torchvision_weights():
    """File name -> (`ResNet50_Weights.IMAGENET1K_V2`, the entry)."""
    enums = [e for n, e in vars(torchvision.models.resnet).items() if re.fullmatch(r"(Wide_)?Res\w+_Weights", n)]
    return {w.url.rsplit("/", 1)[1]: (f"{e.__name__}.{w.name}", w) for e in enums for w in e}


def notes(tag, file):
    """Of torchvision's files, whose containers follow from their sizes: a zip archive takes some 300 bytes a tensor, a
    legacy pickle 160."""
    if not tag.startswith("tv"):
        return ""
    if tag == "tv_in1k" and file.startswith("wide_resnet"):
        return "legacy pickle, float16 with float32 norms"
    if tag == "tv_in1k" and file.startswith("resnext") and "64x4d" not in file:
        return "legacy pickle"
    if tag == "tv_in1k" and file.startswith("resnet"):
        return "zip, no num_batches_tracked"
    return "zip"


def build(arch, classes):
    if arch == "resnext101_32x48d":  # timm has its weights, but no entry point
        return timm.models.ResNet(Bottleneck, (3, 4, 23, 3), cardinality=32, base_width=48)
    return timm.create_model(arch, num_classes=classes)


def cost(arch, classes, size):
    """Parameters, and multiply-accumulates of convolutions and linear layers."""
    with torch.device("meta"):
        model = build(arch, classes).eval()
        macs = []

        def count(module, _, output):
            per_value = module.weight.numel() // module.weight.shape[0]
            macs.append(output.numel() * per_value)

        for module in model.modules():
            if isinstance(module, (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Linear)):
                module.register_forward_hook(count)
        with torch.inference_mode():
            model(torch.empty(1, 3, size, size))
    return sum(p.numel() for p in model.parameters()), sum(macs)


def results(repository):
    """(id, size, crop fraction) -> top-1, top-5."""
    found = {}
    for row in csv.DictReader(open(repository / "results/results-imagenet.csv")):
        found[row["model"], int(row["img_size"]), float(row["crop_pct"])] = (float(row["top1"]), float(row["top5"]))
    return found


def triple(values):
    return " ".join(f"{v:g}" for v in values)


def row(arch, tag, cfg, default, accuracy, tv):
    name = f"{arch}.{tag}"
    url = cfg.url or ""
    file = url.rsplit("/", 1)[1] if url else None
    if url:
        assert re.search(r"-[0-9a-f]{8}\.pth$", url), url
    assert cfg.crop_mode == "center" and cfg.label_offset is None and cfg.input_size[0] == 3
    train = (cfg.input_size[1], cfg.crop_pct)
    test = ((cfg.test_input_size or cfg.input_size)[1], cfg.test_crop_pct or cfg.crop_pct)
    top1, top5 = accuracy.get((name, *test), ("", ""))
    train_top1, train_top5 = accuracy.get((name, *train), ("", ""))
    resize, mib, tv_name = math.floor(test[0] / test[1]), "", ""
    if file in tv and tag.startswith("tv"):
        tv_name, entry = tv[file]
        transform = entry.transforms()
        metrics = entry.meta["_metrics"]["ImageNet-1K"]
        [resize], mib = transform.resize_size, entry.meta["_file_size"]
        assert transform.crop_size == [test[0]] and transform.interpolation.value == cfg.interpolation
        top1, top5 = metrics["acc@1"], metrics["acc@5"]
        if train == test:  # where timm measured another resize of the same file
            train, (train_top1, train_top5) = (test[0], test[0] / resize), (top1, top5)
    parameters, macs = cost(arch, cfg.num_classes, test[0])
    if tv_name:
        assert parameters == entry.meta["num_params"]
    train_resize = resize if train[0] == test[0] and train == test else math.floor(train[0] / train[1])
    origin = cfg.origin_url or "https://github.com/huggingface/pytorch-image-models"
    papers = [cfg.paper_ids] if isinstance(cfg.paper_ids, str) else cfg.paper_ids or []
    origin = " ".join([origin, *(f"https://arxiv.org/abs/{p.split(':')[1]}" for p in papers)])
    return dict(
        id=name, default=int(default), torchvision=tv_name, url=url, hub=f"timm/{name}", mib=mib,
        notes=notes(tag, file), classes=cfg.num_classes, license=LICENCES[cfg.license], origin=origin,
        parameters=parameters, gmacs=f"{macs / 1e9:.3f}", filter=cfg.interpolation, mean=triple(cfg.mean),
        std=triple(cfg.std), resize=resize, crop=test[0], top1=top1, top5=top5,
        train_resize=train_resize, train_crop=train[0], train_top1=train_top1, train_top5=train_top5,
    )


def default_tag(cfgs):
    """timm's, which is the first of its table; the first that allows commercial use, if that one does not."""
    free = [t for t, c in cfgs.items() if c.license in ("apache-2.0", "bsd-3-clause") and c.num_classes == 1000]
    return free[0] if free else None


def rows(repository):
    accuracy, tv = results(repository), torchvision_weights()
    for arch, of_arch in default_cfgs.items():
        if arch in OTHER_NETWORKS:
            continue
        cfgs = {t.rstrip("*"): c for t, c in of_arch.cfgs.items() if c.hf_hub_id or c.url}
        default = default_tag(cfgs)
        for tag, cfg in cfgs.items():
            yield row(arch, tag, cfg, tag == default, accuracy, tv)


def write_ids(rows, path):
    with open(path, "w") as out:
        out.write(IDS)
        for r in rows:
            out.write(f'\n/// `{r["id"]}`.\npub const {r["id"].replace(".", "_").upper()}: Id = Id("{r["id"]}");\n')


def write_labels(path):
    info = ImageNetInfo("imagenet12k")
    with open(path, "w") as out:
        for name in info.label_names():
            out.write(info.label_name_to_description(name, detailed=False).split(",")[0] + "\n")


def main():
    table = list(rows(pathlib.Path(sys.argv[1])))
    assert sum(bool(r["torchvision"]) for r in table) == 17
    with open(HERE / "catalogue.csv", "w", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    # Our own set, which is in the program: `src/embedded.rs`.
    table.append({"id": "cifar_resnet20.resnet_zoo_c10"})
    write_ids(table, HERE / "../src/catalogue/ids.rs")
    if "--labels" in sys.argv:
        write_labels(HERE / "../src/labels/imagenet12k.txt")


if __name__ == "__main__":
    main()
