//! Training on a custom image source.

use std::error::Error;

use burn::module::AutodiffModule;
use resnet_data::{Augment, DataLoader, Dataset, ImageSource, SampleLabels, evaluate};
use resnet_image::{Channels, Pixels, Preprocessing};
use resnet_train::{Ending, Fit, Position, Trainer};

use super::{Watch, alone, fit, model, settings, state};

/// The generated shapes as a custom source, with an optional missing image.
struct Shapes {
    shapes: Dataset,
    missing: Option<usize>,
}

impl ImageSource for Shapes {
    fn len(&self) -> usize {
        self.shapes.len()
    }

    fn labels(&self, index: usize) -> SampleLabels {
        self.shapes.samples()[index].labels()[0].into()
    }

    fn image(
        &self,
        index: usize,
        channels: Channels,
    ) -> Result<Pixels, Box<dyn Error + Send + Sync>> {
        match self.missing == Some(index) {
            true => Err("the connection is lost".into()),
            false => Ok(self.shapes.samples()[index].image(channels)?),
        }
    }
}

fn dataset(missing: Option<usize>) -> Dataset {
    let shapes = Dataset::shapes(96);
    let classes = shapes.classes().to_vec();
    Dataset::from_source(classes, Shapes { shapes, missing }).unwrap()
}

fn run_on(data: Dataset) -> (Fit, Trainer<super::Train>, Watch) {
    let train = DataLoader::new(data, Preprocessing::cifar())
        .with_batch_size(16)
        .training(Augment::cifar())
        .unwrap()
        .with_seed(7);
    let fit = Fit {
        train,
        ..fit(96, 1, None)
    };
    let mut trainer = Trainer::new(model(6, 0.0), settings());
    let mut watch = Watch::default();
    let device = Default::default();
    let ending = fit.run(&mut trainer, &mut Position::default(), &device, &mut watch);
    assert_eq!(ending.unwrap(), Ending::Done);
    (fit, trainer, watch)
}

#[test]
fn a_custom_source_trains_like_its_images() {
    let _alone = alone();
    let (_, expected, _) = run_on(Dataset::shapes(96));
    let (_, found, watch) = run_on(dataset(None));
    assert!(watch.bad.is_empty());
    assert_eq!(state(&found), state(&expected));
}

#[test]
fn a_missing_image_is_reported_in_training_and_evaluation() {
    let _alone = alone();
    let (_, trainer, watch) = run_on(dataset(Some(5)));
    let told: Vec<[&str; 2]> = watch
        .bad
        .iter()
        .map(|bad| [&*bad.name, &*bad.reason])
        .collect();
    assert_eq!(told, [["image 5", "the connection is lost"]]);

    let loader = DataLoader::new(dataset(Some(5)), Preprocessing::cifar());
    let mut bad = 0;
    let model = trainer.model().valid();
    let scores = evaluate(
        &model,
        &loader,
        &Default::default(),
        u64::MAX,
        |_, _| {},
        |_| bad += 1,
    );
    assert_eq!((scores.unwrap().images(), bad), (95, 1));
}
