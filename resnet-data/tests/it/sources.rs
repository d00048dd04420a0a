//! Your own sources: images in memory, the trait `ImageSource`, and items of other datasets.

use std::error::Error;

use burn::backend::Flex;
use burn::tensor::Tensor;
use image::{Rgb, RgbImage};
use resnet_data::{
    Augment, Batch, DataError, DataLoader, Dataset, ImageSource, Mix, SampleLabels, Sampling,
};
use resnet_image::{Channels, Pixels, Preprocessing};

use crate::share;

fn gray(value: u8) -> RgbImage {
    RgbImage::from_pixel(32, 32, Rgb([value; 3]))
}

/// Grays of rising value, in two alternating classes; every tenth image is missing.
struct Grays(usize);

impl ImageSource for Grays {
    fn len(&self) -> usize {
        self.0
    }

    fn name(&self, index: usize) -> String {
        format!("row {index} of the table")
    }

    fn labels(&self, index: usize) -> SampleLabels {
        (index % 2).into()
    }

    fn image(&self, index: usize, _: Channels) -> Result<Pixels, Box<dyn Error + Send + Sync>> {
        match index % 10 {
            9 => Err("the row is locked".into()),
            _ => Ok(gray(index as u8).into()),
        }
    }
}

fn grays(count: usize) -> Dataset {
    Dataset::from_source(["even", "odd"], Grays(count)).unwrap()
}

#[test]
fn a_source_gives_batches_and_reports_missing_images() {
    let data = grays(20);
    assert_eq!(
        (data.classes(), data.counts()),
        (&["even", "odd"].map(String::from)[..], vec![10; 2])
    );
    let batches: Vec<Batch> = DataLoader::new(data, Preprocessing::cifar())
        .with_batch_size(10)
        .epoch(0)
        .unwrap()
        .collect();
    assert_eq!(batches.len(), 2);
    assert_eq!(batches[1].indices, [10, 11, 12, 13, 14, 15, 16, 17, 18]);
    assert_eq!(batches[1].images[3], Pixels::from(gray(13)));
    assert_eq!(batches[1].targets[3], [0.0, 1.0]);
    let bad: Vec<_> = batches.iter().flat_map(|batch| &batch.bad).collect();
    let bad: Vec<[&str; 2]> = bad.iter().map(|bad| [&*bad.name, &*bad.reason]).collect();
    assert_eq!(
        bad,
        [
            ["row 9 of the table", "the row is locked"],
            ["row 19 of the table", "the row is locked"]
        ]
    );
}

#[test]
fn batches_of_a_source_depend_only_on_the_seed() {
    let epoch = |seed: u64, workers: usize| -> Vec<Batch> {
        let loader = DataLoader::new(grays(64), Preprocessing::cifar())
            .with_batch_size(16)
            .training(Augment {
                erase: 0.5,
                ..Augment::cifar()
            })
            .unwrap()
            .with_seed(seed)
            .with_sampling(Sampling::Balanced)
            .with_workers(workers);
        let loader = loader
            .with_mix(Mix {
                cutmix: 1.0,
                ..Mix::default()
            })
            .unwrap();
        loader.epoch(2).unwrap().collect()
    };
    let values = |batches: Vec<Batch>| -> Vec<_> {
        let values = batches.into_iter();
        values
            .map(|batch| (batch.images, batch.indices, batch.targets, batch.erased))
            .collect()
    };
    let one = values(epoch(7, 1));
    assert!(one == values(epoch(7, 4)) && one == values(epoch(7, 9)));
    assert!(one != values(epoch(8, 4)));
}

#[test]
fn datasets_in_memory_can_be_split_and_balanced() {
    let [train, valid] = grays(40).split(share(0.25)).unwrap();
    assert_eq!((train.counts(), valid.counts()), (vec![15; 2], vec![5; 2]));
    assert_eq!(train.take_per_class(3).counts(), [3; 2]);
    assert_eq!(train.class_weights(), [1.0; 2]);
    assert!(valid.samples()[0].name().ends_with("of the table"));
}

#[test]
fn images_in_memory_take_the_channels_of_the_preprocessing() {
    let images = [(gray(7), 1), (gray(200), 0)];
    let data = Dataset::from_images(["bright", "dark"], images).unwrap();
    let gray = Preprocessing {
        mean: [0.5].into(),
        std: [0.5].into(),
        ..Preprocessing::cifar()
    };
    let batch = DataLoader::new(data, gray)
        .epoch(0)
        .unwrap()
        .next()
        .unwrap();
    assert_eq!(batch.images[0].channels(), Channels::Gray);
    let (images, targets) = batch
        .to_tensors::<Flex>(&gray, &Default::default())
        .unwrap();
    assert_eq!(images.dims(), [2, 1, 32, 32]);
    let expected = Tensor::<Flex, 2>::from_data([[0.0, 1.0], [1.0, 0.0]], &Default::default());
    targets.into_data().assert_eq(&expected.into_data(), true);
}

#[test]
fn one_image_with_several_labels_makes_a_dataset_multi_label() {
    let images = [
        (gray(1), SampleLabels::One(0)),
        (gray(2), SampleLabels::from([0, 2])),
        (gray(3), SampleLabels::from(vec![])),
    ];
    let data = Dataset::from_images(["a", "b", "c"], images).unwrap();
    assert!(data.is_multi_label());
    let labels: Vec<&[usize]> = data
        .samples()
        .iter()
        .map(|sample| sample.labels())
        .collect();
    assert_eq!(labels, [&[0][..], &[0, 2], &[]]);
    assert_eq!(data.with_several_labels().counts(), [2, 0, 1]);
}

#[test]
fn labels_without_a_class_are_an_error() {
    let error = Dataset::from_images(["a", "b"], [(gray(0), 1), (gray(0), 2)]).unwrap_err();
    assert!(
        matches!(
            error,
            DataError::Label {
                label: 2,
                classes: 2,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "`image 1`: expected a class below 2, found 2"
    );
}

#[test]
fn an_image_without_pixels_is_reported_without_a_panic() {
    let images = [(RgbImage::new(0, 9), 0), (gray(1), 0), (gray(2), 1)];
    let data = Dataset::from_images(["a", "b"], images).unwrap();
    let loader = DataLoader::new(data, Preprocessing::cifar());
    let mix = Mix {
        cutmix: 1.0,
        ..Mix::default()
    };
    let loader = loader
        .training(Augment::cifar())
        .unwrap()
        .with_mix(mix)
        .unwrap();
    let batch = loader.epoch(0).unwrap().next().unwrap();
    assert_eq!((batch.images.len(), batch.bad.len()), (2, 1));
    assert_eq!(
        batch.bad[0].reason,
        "expected an image of one pixel or more, found 0x9"
    );
}

/// Has the two functions of `burn::data::dataset::Dataset`.
trait Items<I>: Send + Sync {
    fn get(&self, index: usize) -> Option<I>;
    fn len(&self) -> usize;
}

struct Digit {
    pixels: [[f32; 8]; 8],
    label: u8,
}

struct Digits(usize);

impl Items<Digit> for Digits {
    fn get(&self, index: usize) -> Option<Digit> {
        let label = (index % 3) as u8;
        let pixels = [[f32::from(label); 8]; 8];
        (index < self.0).then_some(Digit { pixels, label })
    }

    fn len(&self) -> usize {
        self.0
    }
}

#[test]
fn items_of_another_dataset_are_images() {
    let open = |count: usize| {
        let items = Digits(6);
        Dataset::from_items(
            ["0", "1", "2"],
            items.len().max(count),
            move |index| items.get(index),
            |item| usize::from(item.label),
            |item| {
                let pixel = |x: u32, y: u32| Rgb([item.pixels[y as usize][x as usize] as u8; 3]);
                Ok(RgbImage::from_fn(8, 8, pixel).into())
            },
        )
    };
    let data = open(0).unwrap();
    assert_eq!(data.counts(), [2; 3]);
    assert_eq!(
        data.samples()[5].rgb().unwrap(),
        RgbImage::from_pixel(8, 8, Rgb([2; 3]))
    );
    assert_eq!(data.samples()[5].name(), "item 5");
    let error = open(7).unwrap_err().to_string();
    assert_eq!(error, "expected 7 items of a dataset, found none at 6");
}
