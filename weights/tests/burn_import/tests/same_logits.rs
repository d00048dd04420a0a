//! Compares three results of one ONNX file: code generated at build time, the file loaded at run
//! time, and PyTorch.

use burn::backend::Flex;
use burn::tensor::Tensor;
use burn_import_comparison::generated::Model;
use resnet_core::{Network, ResNet};
use resnet_testing::{assert_close, keyed};
use resnet_weights::{Checkpoint, Load};
use safetensors::SafeTensors;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/onnx");

fn pytorch() -> Vec<f32> {
    let file = std::fs::read(format!("{FIXTURES}/logits.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    resnet_testing::floats(tensors.tensor("deep").unwrap().data())
}

fn loaded() -> ResNet<Flex> {
    let checkpoint = Checkpoint::open(format!("{FIXTURES}/good/deep.dynamo.onnx")).unwrap();
    let config = checkpoint.infer().unwrap().config;
    let model = config.init(&Default::default());
    Load::default().apply(model, &checkpoint).unwrap().0
}

#[test]
fn generated_code_the_loaded_network_and_pytorch_agree() {
    let images: Tensor<Flex, 4> = keyed::images(7, [2, 3, 32, 32], &Default::default());
    let values = |logits: Tensor<Flex, 2>| logits.into_data().to_vec::<f32>().unwrap();
    let generated = values(Model::<Flex>::default().forward(images.clone()));
    let model = loaded();
    let expected = pytorch();
    let found = [
        ("generated", generated),
        ("loaded", values(model.forward(images.clone()))),
        ("loaded and fused", values(model.fuse().forward(images))),
    ];
    for (way, found) in found {
        assert_close(way, &found, &expected, 1e-4);
    }
}
