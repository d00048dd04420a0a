//! Uses a ResNet backbone in a custom module whose head estimates an angle.
//!
//! `cargo run --release -p resnet-infer --example own_module`

#![expect(clippy::print_stdout, reason = "an example shows its results")]

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Tensor, backend::Backend};
use resnet_core::layers::Norm;
use resnet_core::{Network, ResNet};
use resnet_cpu::Cpu;
use resnet_weights::{Checkpoint, Load, PretrainedBuilder, save};

#[derive(Module, Debug)]
struct Angle<B: Backend> {
    backbone: ResNet<B>,
    head: Linear<B>,
}

/// Every `Network` can be loaded, saved and trained.
impl<B: Backend> Network<B> for Angle<B> {
    fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>)) {
        self.backbone.each_norm(each);
    }
}

impl<B: Backend> Angle<B> {
    fn new(backbone: ResNet<B>, device: &B::Device) -> Self {
        let head = LinearConfig::new(backbone.config().num_features(), 1).init(device);
        Self { backbone, head }
    }

    /// Applies the module to images `[batch, 3, height, width]` and returns angles `[batch, 1]`.
    fn forward(&self, images: Tensor<B, 4>) -> Tensor<B, 2> {
        self.head.forward(self.backbone.forward_embedding(images))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Default::default();
    let weights = PretrainedBuilder::named("cifar_resnet20.resnet_zoo_c10")?.headless();
    let backbone = weights.load::<Cpu>(&device)?.model;
    let model = Angle::new(backbone.clone(), &device);
    let (parameters, tensors) = (model.num_parameters(), model.state_shapes());
    println!("{parameters} parameters, the last {:?}", tensors.last());
    let images = Tensor::ones([2, 3, 32, 32], &device);
    let angles = model.forward(images.clone());
    println!("angles of an untrained head: {}", angles.to_data());

    let file = std::env::temp_dir().join(format!("angle-{}.safetensors", std::process::id()));
    save(&model, &file)?;
    let fresh = Angle::new(backbone, &device);
    let (loaded, report) = Load::default().apply(fresh, &Checkpoint::open(&file)?)?;
    let difference = (loaded.forward(images) - angles).abs().max().into_scalar();
    let count = report.loaded;
    println!("saved and loaded {count} tensors: difference {difference}");
    Ok(std::fs::remove_file(file)?)
}
