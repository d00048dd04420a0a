//! Your own image transforms.

use std::sync::Arc;
use std::sync::Mutex;

use image::{Rgb, RgbImage};
use resnet_data::{Augment, Batch, Crop, DataLoader, Dataset, Transform};
use resnet_image::{Channels, Pixels, Preprocessing};
use resnet_testing::pairs;

/// Inverts the colors of half of the images.
struct Negative;

impl Transform for Negative {
    fn apply(&self, mut image: Pixels, seed: u64) -> Pixels {
        if seed.is_multiple_of(2) {
            image
                .as_raw_mut()
                .iter_mut()
                .for_each(|value| *value = 255 - *value);
        }
        image
    }
}

fn loader() -> DataLoader {
    DataLoader::new(Dataset::shapes(48), Preprocessing::cifar())
        .with_batch_size(16)
        .training(Augment {
            erase: 0.5,
            ..Augment::cifar()
        })
        .unwrap()
        .with_seed(3)
}

fn batches(loader: &DataLoader, epoch: u64) -> Vec<Batch> {
    loader.epoch(epoch).unwrap().collect()
}

fn images(batches: &[Batch]) -> Vec<Pixels> {
    batches
        .iter()
        .flat_map(|batch| batch.images.clone())
        .collect()
}

#[test]
fn a_transform_runs_after_the_augmentation_and_leaves_it_unchanged() {
    let plain = batches(&loader(), 0);
    let changed = batches(&loader().with_transform(Negative), 0);
    let negative = |mut image: Pixels| {
        image
            .as_raw_mut()
            .iter_mut()
            .for_each(|value| *value = 255 - *value);
        image
    };
    let mut negatives = 0;
    for (before, after) in pairs(images(&plain), images(&changed)) {
        if before != after {
            assert_eq!(after, negative(before));
            negatives += 1;
        }
    }
    // Half of 48, plus or minus four standard deviations of 3.5.
    assert!((10..=38).contains(&negatives), "{negatives}");
    for (before, after) in pairs(&plain, &changed) {
        assert_eq!(before.erased, after.erased);
        assert_eq!(before.indices, after.indices);
    }
    assert!(
        plain
            .iter()
            .flat_map(|batch| &batch.erased)
            .any(Option::is_some)
    );
}

#[test]
fn transform_seeds_depend_only_on_seed_epoch_and_image() {
    let seeds = |seed: u64, epoch: u64, workers: usize| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let [first, second] = [Arc::clone(&seen), Arc::clone(&seen)];
        let loader = loader()
            .with_seed(seed)
            .with_workers(workers)
            .with_transform(move |image: Pixels, seed: u64| {
                first.lock().unwrap().push(seed);
                image
            })
            .with_transform(move |image: Pixels, seed: u64| {
                second.lock().unwrap().push(seed);
                image
            });
        batches(&loader, epoch);
        let mut seeds = seen.lock().unwrap().clone();
        seeds.sort_unstable();
        seeds
    };
    let one = seeds(3, 0, 1);
    assert_eq!(one, seeds(3, 0, 5));
    let mut different = one.clone();
    different.dedup();
    assert_eq!(different.len(), 2 * 48);
    assert!(one != seeds(4, 0, 1) && one != seeds(3, 1, 1));
}

#[test]
fn transforms_run_in_their_order_on_the_channels_of_the_network() {
    let gray = Preprocessing {
        mean: [0.5].into(),
        std: [0.5].into(),
        ..Preprocessing::cifar()
    };
    let image = RgbImage::from_pixel(32, 32, Rgb([10; 3]));
    let data = Dataset::from_images(["one"], [(image, 0)]).unwrap();
    for loader in [
        DataLoader::new(data.clone(), gray),
        DataLoader::new(data, gray)
            .training(Augment {
                crop: Crop::Preprocessing,
                flip: 0.0,
                ..Augment::cifar()
            })
            .unwrap(),
    ] {
        let loader = loader
            .with_transform(|mut image: Pixels, _| {
                assert_eq!(image.channels(), Channels::Gray);
                image.as_raw_mut().fill(20);
                image
            })
            // The loader converts other channels back.
            .with_transform(|mut image: Pixels, _| {
                image.as_raw_mut().iter_mut().for_each(|value| *value += 1);
                image.into_rgb().into()
            });
        let batch = loader.epoch(0).unwrap().next().unwrap();
        assert_eq!(batch.images[0].channels(), Channels::Gray);
        assert_eq!(batch.images[0].as_raw(), [21; 32 * 32]);
    }
}

#[test]
fn images_without_pixels_after_a_transform_are_reported() {
    let loader = loader().with_transform(|_, _| RgbImage::new(0, 3).into());
    let batch = loader.epoch(0).unwrap().next().unwrap();
    assert_eq!((batch.images.len(), batch.bad.len()), (0, 16));
    assert_eq!(
        batch.bad[0].reason,
        "expected one pixel or more after a transform, found 0x3"
    );
}
