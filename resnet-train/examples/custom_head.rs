//! Trains a custom head on a ResNet with a feature pyramid: a map of object centers (as in CenterNet,
//! Zhou et al. 2019, without sizes).
//!
//! `cargo run --release -p resnet-train --example custom_head`

#![allow(clippy::print_stdout, reason = "an example prints its result")]

use std::error::Error;

use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::{log_sigmoid, sigmoid};
use burn::tensor::{Tensor, TensorData, backend::Backend};
use resnet_core::layers::{ConvNormAct, ConvPlan, Norm};
use resnet_core::{Activation, Arch, Network, NormKind};
use resnet_cpu::Cpu;
use resnet_data::objects::{AnnotatedImage, ObjectDataset};
use resnet_dense::{Backbone, BackboneConfig, FpnConfig, TopLevels};
use resnet_image::to_tensor;
use resnet_train::{OptimizerConfig, Settings, Trainer};

type Train = Autodiff<Cpu>;

const MEAN: [f32; 3] = [0.5; 3];
const STD: [f32; 3] = [0.25; 3];
/// Width and height of a scene and of the map of centers, in pixels.
const SIDE: usize = 96;
const MAP: usize = SIDE / 4;

/// `conv1x1 ∘ relu ∘ norm ∘ conv3x3` on the finest level of the pyramid.
#[derive(Module, Debug)]
struct Centers<B: Backend> {
    backbone: Backbone<B>,
    hidden: ConvNormAct<B>,
    output: Conv2d<B>,
}

/// Every `Network` can be loaded, saved and trained.
impl<B: Backend> Network<B> for Centers<B> {
    fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>)) {
        self.backbone.each_norm(each);
        self.hidden.norm_mut().map(each);
    }
}

impl<B: Backend> Centers<B> {
    fn new(device: &B::Device) -> Self {
        let config = BackboneConfig {
            body: Arch::TestResNet.config(),
            fpn: FpnConfig {
                channels: 32,
                first_stage: 1,
                norm: None,
                top: TopLevels::Pool,
            },
        };
        let hidden = ConvNormAct::new(ConvPlan::new(32, 32, 3), NormKind::Batch, device);
        Self {
            backbone: config.init(device),
            hidden: hidden.with_act(Activation::Relu),
            output: Conv2dConfig::new([32, 1], [1; 2]).init(device),
        }
    }

    /// Returns the logit of an object's center at each pixel of the map.
    ///
    /// # Shapes
    /// - `images`: `[batch, 3, height, width]`
    /// - output: `[batch, 1, height / 4, width / 4]`
    fn forward(&self, images: Tensor<B, 4>) -> Tensor<B, 4> {
        let levels = self.backbone.forward(images);
        let x = self.hidden.forward(levels[0].clone());
        resnet_core::layers::conv(&self.output, x)
    }
}

/// Returns normalized images, and maps with a Gaussian at the center of each object.
fn batch<B: Backend>(
    images: &[AnnotatedImage],
    device: &B::Device,
) -> Result<[Tensor<B, 4>; 2], Box<dyn Error>> {
    let (mut pixels, mut maps) = (Vec::new(), Vec::new());
    for image in images {
        let (image, objects) = image.load()?;
        pixels.push(image);
        let centers: Vec<[f32; 2]> = objects
            .iter()
            .map(|object| {
                let [x1, y1, x2, y2] = object.corners;
                [(x1 + x2) / 8.0, (y1 + y2) / 8.0]
            })
            .collect();
        for place in 0..MAP * MAP {
            let (x, y) = ((place % MAP) as f32 + 0.5, (place / MAP) as f32 + 0.5);
            let near = |[cx, cy]: &[f32; 2]| (-((x - cx).powi(2) + (y - cy).powi(2)) / 2.0).exp();
            maps.push(centers.iter().map(near).fold(0.0f32, f32::max));
        }
    }
    let maps = TensorData::new(maps, [images.len(), 1, MAP, MAP]);
    let pixels = to_tensor(&pixels, MEAN, STD, device)?;
    Ok([pixels, Tensor::from_data(maps, device)])
}

fn main() -> Result<(), Box<dyn Error>> {
    let device = Default::default();
    let steps: usize = std::env::args()
        .nth(1)
        .map_or(Ok(60), |text| text.parse())?;
    let scenes = ObjectDataset::scenes(8 * steps, 1);
    let settings = Settings::new(OptimizerConfig::sgd(1e-4));
    let mut trainer = Trainer::new(Centers::<Train>::new(&device), settings);
    for (step, images) in scenes.images().chunks(8).enumerate() {
        let [images, maps] = batch::<Train>(images, &device)?;
        let loss = trainer.step_with(
            0.05,
            [|network: &Centers<Train>| {
                let logits = network.forward(images);
                let loss = logits.clone() - logits.clone() * maps - log_sigmoid(logits);
                loss.mean()
            }],
        );
        if step % 20 == 0 || step + 1 == steps {
            println!("step {:>3}: loss {:.4}", step + 1, loss.into_scalar());
        }
    }

    let held_out = ObjectDataset::scenes(1, 1 << 40);
    let [image, _] = batch::<Cpu>(held_out.images(), &device)?;
    let network = trainer.into_model().valid();
    let map = sigmoid(network.forward(image)).into_data();
    let best = map
        .iter::<f32>()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(&b.1));
    let (place, score) = best.ok_or("an empty map")?;
    let [x, y] = [place % MAP, place / MAP].map(|cell| 4 * cell + 2);
    println!("the most certain center is at x {x}, y {y}, with a probability of {score:.2}");
    for object in held_out.images()[0].objects() {
        let [x1, y1, x2, y2] = object.corners;
        println!(
            "an object is at x {:.0}, y {:.0}",
            (x1 + x2) / 2.0,
            (y1 + y2) / 2.0
        );
    }
    Ok(())
}
