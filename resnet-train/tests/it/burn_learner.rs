//! Training with burn-train's `Learner` and Burn's dataset and data loader: a network is an
//! ordinary Burn module.

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::module::{AutodiffModule, Module};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::AdamConfig;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Int, Tensor};
use burn_train::metric::LossMetric;
use burn_train::{
    ClassificationOutput, InferenceStep, Learner, SupervisedTraining, TrainOutput, TrainStep,
};
use resnet_core::ResNet;
use resnet_cpu::Cpu;
use resnet_data::{DataLoader, Dataset, evaluate};
use resnet_image::{Pixels, Preprocessing, to_tensor};

use crate::fit::{Train, alone, model};

/// A network whose output is a loss.
#[derive(Module, Debug)]
struct Classifier<B: Backend> {
    network: ResNet<B>,
}

#[derive(Clone, Debug)]
struct Batch<B: Backend> {
    images: Tensor<B, 4>,
    classes: Tensor<B, 1, Int>,
}

impl<B: Backend> Classifier<B> {
    fn forward(&self, batch: Batch<B>) -> ClassificationOutput<B> {
        let logits = self.network.forward(batch.images);
        let loss = CrossEntropyLossConfig::new().init(&logits.device());
        let loss = loss.forward(logits.clone(), batch.classes.clone());
        ClassificationOutput::new(loss, logits, batch.classes)
    }
}

impl<B: AutodiffBackend> TrainStep for Classifier<B> {
    type Input = Batch<B>;
    type Output = ClassificationOutput<B>;

    fn step(&self, batch: Batch<B>) -> TrainOutput<ClassificationOutput<B>> {
        let output = self.forward(batch);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl<B: Backend> InferenceStep for Classifier<B> {
    type Input = Batch<B>;
    type Output = ClassificationOutput<B>;

    fn step(&self, batch: Batch<B>) -> ClassificationOutput<B> {
        self.forward(batch)
    }
}

type Item = (Pixels, usize);

struct ToTensors;

impl<B: Backend> Batcher<B, Item, Batch<B>> for ToTensors {
    fn batch(&self, items: Vec<Item>, device: &B::Device) -> Batch<B> {
        let Preprocessing { mean, std, .. } = Preprocessing::cifar();
        let classes: Vec<i64> = items.iter().map(|item| item.1 as i64).collect();
        let images: Vec<_> = items.into_iter().map(|item| item.0).collect();
        Batch {
            images: to_tensor(&images, mean, std, device).unwrap(),
            classes: Tensor::from_data(classes.as_slice(), device),
        }
    }
}

fn items() -> InMemDataset<Item> {
    let shapes = Dataset::shapes(64);
    let items = shapes.samples().iter();
    InMemDataset::new(
        items
            .map(|sample| (sample.rgb().unwrap().into(), sample.labels()[0]))
            .collect(),
    )
}

fn accuracy(network: &ResNet<Cpu>) -> f64 {
    let classes = Dataset::shapes(64).classes().to_vec();
    let data = Dataset::from_burn(classes, items(), |item| item.1, |item| Ok(item.0)).unwrap();
    let loader = DataLoader::new(data, Preprocessing::cifar());
    let scores = evaluate(
        network,
        &loader,
        &Default::default(),
        u64::MAX,
        |_, _| {},
        |_| {},
    );
    scores.unwrap().top1()
}

#[test]
fn burns_learner_trains_a_network() {
    let _alone = alone();
    let _lock = resnet_train::autograd_lock();
    let folder = tempfile::tempdir().unwrap();
    let network = model(6, 0.0);
    let before = accuracy(&network.valid());
    let train = DataLoaderBuilder::new(ToTensors)
        .batch_size(16)
        .shuffle(7)
        .build(items());
    let valid = DataLoaderBuilder::new(ToTensors)
        .batch_size(32)
        .build(items());
    let training = SupervisedTraining::new(folder.path(), train, valid)
        .metric_train_numeric(LossMetric::new())
        .metric_valid_numeric(LossMetric::new())
        .with_application_logger(None)
        .num_epochs(20);
    let learner = Learner::new(
        Classifier::<Train> { network },
        AdamConfig::new().init(),
        0.01,
    );
    let trained = training.launch(learner).model;
    let after = accuracy(&trained.network);
    // Chance is 1/6.
    assert!(before < 0.35 && after > 0.6, "{before} to {after}");
}
