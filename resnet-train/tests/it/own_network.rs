//! A custom network, loaded, trained and resumed by the same code as classifiers.

use burn::backend::Autodiff;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use resnet_core::layers::Norm;
use resnet_core::{Network, ResNet};
use resnet_cpu::Cpu;
use resnet_testing::{floats, pairs};
use resnet_train::{OptimizerConfig, Settings, Trainer};
use resnet_weights::{Checkpoint, Load, ModelSource, save};
use safetensors::SafeTensors;

type Train = Autodiff<Cpu>;

#[derive(Module, Debug)]
struct Segmenter<B: Backend> {
    backbone: ResNet<B>,
    decoder: Conv2d<B>,
}

impl<B: Backend> Network<B> for Segmenter<B> {
    fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>)) {
        self.backbone.each_norm(each);
    }
}

impl<B: Backend> Segmenter<B> {
    /// Loads a backbone with torchvision's keys and creates a decoder.
    fn open(file: &str, device: &B::Device) -> Self {
        let (backbone, _) = ModelSource::file(file)
            .resolve()
            .unwrap()
            .load(device)
            .unwrap();
        let decoder = Conv2dConfig::new([16, 2], [1, 1]).init(device);
        Self { backbone, decoder }
    }

    fn forward(&self, images: Tensor<B, 4>) -> Tensor<B, 4> {
        self.decoder.forward(self.backbone.forward_features(images))
    }

    /// PyTorch's `binary_cross_entropy_with_logits`.
    fn loss(&self, images: Tensor<B, 4>, targets: Tensor<B, 4>) -> Tensor<B, 1> {
        let logits = self.forward(images);
        // log(1 + exp(-|x|))
        let rest = -sigmoid(logits.clone().abs()).log();
        (relu(logits.clone()) - logits * targets + rest).mean()
    }
}

fn fixture(name: &str) -> String {
    format!(
        "{}/tests/fixtures/own_network/{name}",
        env!("CARGO_MANIFEST_DIR")
    )
}

/// The results of PyTorch.
struct Steps(Vec<u8>);

impl Steps {
    fn read(&self, key: &str) -> Option<TensorData> {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = tensors.tensor(key).ok()?;
        Some(TensorData::new(
            floats(tensor.data()),
            tensor.shape().to_vec(),
        ))
    }
}

fn trainer(steps: &Steps) -> Trainer<Train, Segmenter<Train>> {
    let model = Segmenter::<Train>::open(&fixture("backbone.safetensors"), &Default::default());
    let Ok(model) = model.load_state(|key, _| -> Result<_, std::convert::Infallible> {
        Ok(steps.read(&format!("before.{key}")))
    });
    let sgd = OptimizerConfig::Sgd {
        momentum: 0.9,
        nesterov: false,
        weight_decay: 1e-4,
    };
    Trainer::new(model, Settings::new(sgd))
}

#[test]
fn a_custom_network_trains_like_pytorch_saves_and_resumes() {
    let device = Default::default();
    let steps = Steps(std::fs::read(fixture("steps.safetensors")).unwrap());
    let tensor = |name: &str| Tensor::<Train, 4>::from_data(steps.read(name).unwrap(), &device);
    let (images, targets) = (tensor("x"), tensor("target"));
    let losses: Vec<f32> = steps.read("losses").unwrap().iter().collect();
    let step = |trainer: &mut Trainer<Train, Segmenter<Train>>| -> f32 {
        let (images, targets) = (images.clone(), targets.clone());
        let loss = trainer.step_with(
            0.1,
            [move |model: &Segmenter<Train>| model.loss(images, targets)],
        );
        loss.into_scalar()
    };
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");

    let mut first = trainer(&steps);
    assert!((step(&mut first) - losses[0]).abs() < 1e-5);
    first.save_state(&state, &1_u32).unwrap();
    let (mut resumed, position) = trainer(&steps).resume::<u32>(&state).unwrap();
    assert_eq!(position, 1);
    for trainer in [&mut first, &mut resumed] {
        assert!((step(trainer) - losses[1]).abs() < 1e-4);
        let Ok(()) =
            trainer
                .model()
                .visit_state(|key, data| -> Result<(), std::convert::Infallible> {
                    let expected = steps.read(&format!("after.{key}")).unwrap();
                    same(key, &data, &expected);
                    Ok(())
                });
    }

    let file = folder.path().join("segmenter.safetensors");
    let model = first.into_model();
    save(&model, &file).unwrap();
    let fresh = Segmenter::<Train>::open(&fixture("backbone.safetensors"), &device);
    let checkpoint = Checkpoint::open(&file).unwrap();
    let (loaded, report) = Load::default().apply(fresh, &checkpoint).unwrap();
    assert!(
        report.fresh.is_empty() && report.left_out.is_empty(),
        "{report:?}"
    );
    let output = |model: &Segmenter<Train>| model.forward(images.clone()).into_data();
    same("output", &output(&loaded), &output(&model));
}

fn same(key: &str, found: &TensorData, expected: &TensorData) {
    let expected: Vec<f32> = expected.iter().collect();
    let largest = expected
        .iter()
        .fold(0.0_f32, |most, value| most.max(value.abs()));
    for (found, expected) in pairs(found.iter::<f32>(), &expected) {
        assert!(
            (found - expected).abs() <= 1e-4 * largest.max(1.0),
            "{key}: {found} {expected}"
        );
    }
}
