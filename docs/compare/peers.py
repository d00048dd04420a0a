"""Benchmarks one alternative on one network. Prints one JSON object.

    python peers.py export MODEL BATCH SIZE FILE.onnx     # for the peers that read ONNX
    python peers.py eager|frozen MODEL BATCH SIZE [RUNS]
    python peers.py onnxruntime FILE.onnx [RUNS]

Uses random weights, random input, f32 and all cores. Needs torch 2.9.0, torchvision 0.24, timm,
onnx and onnxruntime."""

import json
import sys
import time
import warnings

warnings.filterwarnings("ignore")


def report(peer, work, runs):
    for _ in range(4):
        work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - start))
    times.sort()
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) * 1024 / 1e6 for line in status if line.startswith("VmHWM:"))
    print(json.dumps(dict(peer=peer, median_ms=times[len(times) // 2], min_ms=times[0], peak_mb=peak)))


def network(name, batch, size):
    import torch

    torch.manual_seed(0)
    try:
        import torchvision

        model = torchvision.models.get_model(name, weights=None)
    except ValueError:
        import timm

        model = timm.create_model(name)
    return torch, model.eval(), torch.randn(batch, 3, size, size)


def main(peer, *args):
    if peer == "onnxruntime":
        import numpy
        import onnxruntime

        session = onnxruntime.InferenceSession(args[0], providers=["CPUExecutionProvider"])
        entry = session.get_inputs()[0]
        feed = {entry.name: numpy.random.default_rng(0).standard_normal(entry.shape, dtype=numpy.float32)}
        report(peer, lambda: session.run(None, feed), int((args + (10,))[1]))
        return
    name, batch, size = args[0], int(args[1]), int(args[2])
    torch, model, x = network(name, batch, size)
    with torch.inference_mode():
        if peer == "export":
            torch.onnx.export(model, x, args[3], dynamo=False)
            return
        if peer == "frozen":
            model = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, x)))
        report("pytorch " + peer, lambda: model(x), int((args + (10,))[3]))


if __name__ == "__main__":
    main(*sys.argv[1:])
