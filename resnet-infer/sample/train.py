"""Trains the small network beside it, `cifar_resnet8_b.safetensors`, that the README's first command uses.

    PYTHONPATH=../../resnet-core/tests/fixtures/parity python train.py CIFAR10_FOLDER cifar_resnet8_b.safetensors

CIFAR10_FOLDER holds `train/CLASS/*.jpg` and `test/CLASS/*.jpg`. SGD with Nesterov momentum, one-cycle schedule, flips and
shifted crops, 12 epochs; torch 2.9.0. PyTorch stands in until `resnet-train` exists. The last line it printed, accuracy on the test
images: `epoch 12: loss 0.863, top-1 0.7932`.
"""

import pathlib
import sys

import cifar
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file

CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
EPOCHS, BATCH = 12, 128


def load(folder):
    paths = [(p, i) for i, name in enumerate(CLASSES) for p in sorted((pathlib.Path(folder) / name).glob("*.jpg"))]
    pixels = torch.from_numpy(np.stack([np.asarray(Image.open(p).convert("RGB")) for p, _ in paths]))
    return pixels.permute(0, 3, 1, 2).contiguous(), torch.tensor([i for _, i in paths])


def normalised(pixels):
    return (pixels.float() / 255 - MEAN) / STD


def augmented(x):
    x = torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(3), x)
    x = F.pad(x, (4, 4, 4, 4))
    dy, dx = torch.randint(9, (2,)).tolist()
    return x[:, :, dy : dy + 32, dx : dx + 32]


def accuracy(model, pixels, labels):
    model.eval()
    with torch.inference_mode():
        hits = [(model(normalised(p)).argmax(1) == y).sum() for p, y in zip(pixels.split(500), labels.split(500))]
    return sum(hits).item() / len(labels)


def main(folder, output):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    pixels, labels = load(f"{folder}/train")
    test = load(f"{folder}/test")
    model = cifar.CifarResNet(8, "B")
    steps = EPOCHS * (len(labels) // BATCH)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=steps)
    for epoch in range(EPOCHS):
        model.train()
        for batch in torch.randperm(len(labels))[: len(labels) // BATCH * BATCH].split(BATCH):
            loss = F.cross_entropy(model(augmented(normalised(pixels[batch]))), labels[batch], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}, top-1 {accuracy(model, *test):.4f}", flush=True)
        save_file({k: v.contiguous() for k, v in model.state_dict().items()}, output)


if __name__ == "__main__":
    main(*sys.argv[1:])
