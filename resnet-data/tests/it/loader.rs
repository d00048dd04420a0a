//! Batches of the data loader.

use std::fs;

use resnet_data::{Augment, Batch, Crop, DataLoader, Dataset, Jitter, Mix, Policy, Sampling};
use resnet_image::{Channels, Filter, Pixels, Preprocessing};
use resnet_testing::pairs;

fn loader() -> DataLoader {
    let augment = Augment {
        policy: Policy::Rand {
            ops: 2,
            magnitude: 9,
        },
        jitter: Jitter {
            brightness: 0.4,
            contrast: 0.4,
            saturation: 0.4,
            hue: 0.1,
        },
        erase: 0.5,
        ..Augment::cifar()
    };
    DataLoader::new(Dataset::shapes(100), Preprocessing::cifar())
        .with_batch_size(8)
        .training(augment)
        .unwrap()
        .with_seed(5)
}

fn same(a: &[Batch], b: &[Batch]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| {
            a.images == b.images
                && a.indices == b.indices
                && a.targets == b.targets
                && a.erased == b.erased
                && a.blend == b.blend
        })
}

#[test]
fn batches_depend_on_the_seed_and_the_epoch_and_not_on_the_threads() {
    let mix = Mix {
        mixup: 0.2,
        cutmix: 1.0,
    };
    let epoch = |workers: usize, epoch: u64| -> Vec<Batch> {
        loader()
            .with_mix(mix)
            .unwrap()
            .with_workers(workers)
            .epoch(epoch)
            .unwrap()
            .collect()
    };
    let one = epoch(1, 3);
    assert_eq!(one.len(), 12);
    for workers in [2, 5, 16] {
        assert!(same(&epoch(workers, 3), &one), "{workers}");
    }
    assert!(!same(&epoch(1, 4), &one));
    // From the middle of the epoch.
    let rest: Vec<Batch> = loader()
        .with_mix(mix)
        .unwrap()
        .with_workers(3)
        .epoch_from(3, 7)
        .unwrap()
        .collect();
    assert!(same(&rest, &one[7..]));
}

#[test]
fn augmentation_differs_in_every_epoch() {
    let loader = loader().with_sampling(Sampling::Sequential);
    let images = |epoch: u64| {
        let batch = loader.epoch(epoch).unwrap().next().unwrap();
        assert_eq!(batch.indices, [0, 1, 2, 3, 4, 5, 6, 7]);
        batch.images
    };
    assert_eq!(images(0), images(0));
    for (a, b) in pairs(images(0), images(1)) {
        assert_ne!(a, b);
    }
}

#[test]
fn an_evaluation_epoch_has_every_image_once_in_order() {
    let loader = DataLoader::new(Dataset::shapes(10), Preprocessing::cifar()).with_batch_size(4);
    let batches: Vec<Batch> = loader.epoch(0).unwrap().collect();
    let numbers: Vec<Vec<usize>> = batches.iter().map(|batch| batch.indices.clone()).collect();
    assert_eq!(numbers, [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]]);
    assert_eq!(batches[2].targets[0], [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    assert_eq!(batches[0].erased, [None; 4]);
}

#[test]
fn a_training_epoch_repeats_no_image() {
    let mut numbers: Vec<usize> = loader()
        .epoch(0)
        .unwrap()
        .flat_map(|batch| batch.indices)
        .collect();
    assert_eq!(numbers.len(), 96);
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 96);
}

#[test]
fn balanced_sampling_draws_every_class_equally_often() {
    let shapes = Dataset::shapes(90);
    let folder = tempfile::tempdir().unwrap();
    for (class, count) in [("many", 90), ("few", 6)] {
        fs::create_dir(folder.path().join(class)).unwrap();
        for number in 0..count {
            let image = shapes.samples()[number].rgb().unwrap();
            image
                .save(folder.path().join(format!("{class}/{number}.png")))
                .unwrap();
        }
    }
    let data = Dataset::folder(folder.path()).unwrap();
    let loader = DataLoader::new(data, Preprocessing::cifar())
        .with_batch_size(16)
        .training(Augment::cifar())
        .unwrap()
        .with_seed(1)
        .with_sampling(Sampling::Balanced);
    let targets: Vec<Vec<f32>> = (0..5)
        .flat_map(|epoch| loader.epoch(epoch).unwrap())
        .flat_map(|batch| batch.targets)
        .collect();
    let few = targets.iter().filter(|target| target[0] == 1.0).count();
    // Half of 480, plus or minus five standard deviations of 11.
    assert!((185..=295).contains(&few), "{few}");
}

#[test]
fn an_unreadable_image_is_reported_and_left_out() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["a", "b"] {
        fs::create_dir(folder.path().join(class)).unwrap();
        for number in 0..3 {
            let image = Dataset::shapes(3).samples()[number].rgb().unwrap();
            image
                .save(folder.path().join(format!("{class}/{number}.png")))
                .unwrap();
        }
    }
    fs::write(folder.path().join("b/1.gif"), "<html>not found</html>").unwrap();
    let data = Dataset::folder(folder.path()).unwrap();
    let batches: Vec<Batch> = DataLoader::new(data, Preprocessing::cifar())
        .with_batch_size(4)
        .epoch(0)
        .unwrap()
        .collect();
    let counts: Vec<usize> = batches.iter().map(|batch| batch.images.len()).collect();
    assert_eq!(counts, [4, 2]);
    let [bad] = &batches[1].bad[..] else {
        panic!("one is bad");
    };
    assert!(
        bad.name.ends_with("b/1.gif") && bad.reason.contains("1.gif"),
        "{bad:?}"
    );
}

#[test]
fn few_batches_are_prefetched_and_an_iterator_can_be_dropped_early() {
    // Preparing all of the million images would take minutes.
    let loader = DataLoader::new(Dataset::shapes(1_000_000), Preprocessing::cifar())
        .with_batch_size(64)
        .with_workers(2);
    let mut batches = loader.epoch(0).unwrap();
    assert_eq!(batches.len(), 15_625);
    assert_eq!(batches.next().unwrap().images.len(), 64);
    assert_eq!(batches.len(), 15_624);
}

#[test]
fn errors_name_numbers_out_of_range() {
    let jitter = |hue: f64, contrast: f64| Jitter {
        hue,
        contrast,
        ..Jitter::default()
    };
    let resized = |size: u32, scale: [f64; 2]| Crop::RandomResized {
        size,
        scale,
        filter: Filter::Bilinear,
    };
    let good = Augment::cifar();
    let cases = [
        (
            "flip",
            Augment {
                flip: f64::NAN,
                ..good
            },
        ),
        (
            "erase",
            Augment {
                erase: -0.1,
                ..good
            },
        ),
        (
            "hue",
            Augment {
                jitter: jitter(0.6, 0.0),
                ..good
            },
        ),
        (
            "contrast",
            Augment {
                jitter: jitter(0.0, -1.0),
                ..good
            },
        ),
        (
            "magnitude",
            Augment {
                policy: Policy::Rand {
                    ops: 2,
                    magnitude: 31,
                },
                ..good
            },
        ),
        (
            "size",
            Augment {
                crop: resized(0, [0.1, 1.0]),
                ..good
            },
        ),
        (
            "scale",
            Augment {
                crop: resized(32, [0.9, 0.1]),
                ..good
            },
        ),
        (
            "scale",
            Augment {
                crop: resized(32, [0.1, f64::INFINITY]),
                ..good
            },
        ),
        (
            "size",
            Augment {
                crop: Crop::Padded {
                    size: u32::MAX,
                    padding: 4,
                },
                ..good
            },
        ),
        (
            "padding",
            Augment {
                crop: Crop::Padded {
                    size: 32,
                    padding: u32::MAX,
                },
                ..good
            },
        ),
    ];
    let plain = || DataLoader::new(Dataset::shapes(8), Preprocessing::cifar()).with_batch_size(4);
    for (field, augment) in cases {
        let error = plain().training(augment).unwrap_err();
        assert_eq!(error.field, field, "{error}");
    }
    for mix in [
        Mix {
            mixup: -1.0,
            cutmix: 0.0,
        },
        Mix {
            mixup: 0.0,
            cutmix: f64::INFINITY,
        },
    ] {
        assert!(plain().with_mix(mix).is_err());
    }
}

#[test]
fn the_strongest_allowed_augmentation_runs() {
    let augment = Augment {
        crop: Crop::RandomResized {
            size: 1,
            scale: [0.0, 0.0],
            filter: Filter::Bicubic,
        },
        flip: 1.0,
        policy: Policy::Rand {
            ops: 9,
            magnitude: 30,
        },
        jitter: Jitter {
            brightness: 1.0,
            contrast: 1.0,
            saturation: 1.0,
            hue: 0.5,
        },
        erase: 1.0,
    };
    let mix = Mix {
        mixup: 1000.0,
        cutmix: 1e-9,
    };
    for crop in [
        augment.crop,
        Crop::Preprocessing,
        Crop::Padded {
            size: 1,
            padding: 0,
        },
    ] {
        let loader =
            DataLoader::new(Dataset::shapes(40), Preprocessing::cifar()).with_batch_size(7);
        let loader = loader
            .training(Augment { crop, ..augment })
            .unwrap()
            .with_seed(1);
        let images = loader
            .with_mix(mix)
            .unwrap()
            .epoch(0)
            .unwrap()
            .map(|batch| batch.images.len());
        assert_eq!(images.sum::<usize>(), 35);
    }
}

#[test]
fn balanced_sampling_accepts_images_without_a_class() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("labels.csv");
    fs::write(&file, "a.png,cat\nb.png,\nc.png,\nd.png,cat\n").unwrap();
    let none = Dataset::csv(&file).unwrap().take_per_class(0);
    assert_eq!((none.len(), none.counts()), (2, vec![0]));
    let loader = DataLoader::new(none, Preprocessing::cifar())
        .with_batch_size(1)
        .with_sampling(Sampling::Balanced);
    assert_eq!(loader.epoch(0).unwrap().count(), 2);
}

#[test]
fn repeated_images_are_adjacent_and_epochs_differ() {
    let loader = loader().with_sampling(Sampling::Repeated { times: 4 });
    let numbers = |epoch: u64| -> Vec<usize> {
        loader
            .epoch(epoch)
            .unwrap()
            .flat_map(|batch| batch.indices)
            .collect()
    };
    let first = numbers(0);
    // 100 images in batches of 8; the last four are dropped.
    assert_eq!(first.len(), 96);
    for four in first.chunks(4) {
        assert!(four.iter().all(|number| *number == four[0]), "{four:?}");
    }
    let distinct: std::collections::BTreeSet<_> = first.iter().collect();
    assert_eq!(distinct.len(), 24);
    assert_ne!(numbers(1), first);
    // Each repetition has its own augmentation.
    let batch = loader.epoch(0).unwrap().next().unwrap();
    assert_ne!(batch.images[0], batch.images[1]);
}

#[test]
fn gray_preprocessing_gives_gray_batches() {
    let preprocessing = Preprocessing {
        mean: [0.5].into(),
        std: [0.5].into(),
        ..Preprocessing::cifar()
    };
    let shapes = || Dataset::shapes(16);
    let luma = |number: usize| {
        let image: Pixels = shapes().samples()[number].rgb().unwrap().into();
        image.convert(Channels::Gray)
    };
    let batch = DataLoader::new(shapes(), preprocessing)
        .with_batch_size(16)
        .epoch(0)
        .unwrap()
        .next()
        .unwrap();
    for (image, &number) in pairs(&batch.images, &batch.indices) {
        assert_eq!(image, &luma(number));
    }
    let policy = Policy::Rand {
        ops: 2,
        magnitude: 9,
    };
    let augment = Augment {
        policy,
        ..Augment::cifar()
    };
    let mixed = DataLoader::new(shapes(), preprocessing)
        .with_batch_size(16)
        .training(augment)
        .unwrap()
        .with_seed(5);
    let mixed = mixed
        .with_mix(Mix {
            cutmix: 1.0,
            ..Mix::default()
        })
        .unwrap();
    let batch = mixed.epoch(0).unwrap().next().unwrap();
    assert!(
        batch
            .images
            .iter()
            .all(|image| image.channels() == Channels::Gray)
    );

    let rgba = Preprocessing {
        mean: [0.5; 4].into(),
        std: [0.5; 4].into(),
        ..preprocessing
    };
    let batch = DataLoader::new(shapes(), rgba)
        .with_batch_size(4)
        .epoch(0)
        .unwrap()
        .next()
        .unwrap();
    assert!(
        batch
            .images
            .iter()
            .all(|image| image.channels() == Channels::Rgba)
    );
    let error = DataLoader::new(shapes(), rgba)
        .with_batch_size(4)
        .training(augment)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`channels` of the augmentation: expected a number from 1 to 3, found 4"
    );
}

#[test]
fn the_shares_of_a_batch_form_the_whole_batch() {
    let whole: Vec<Batch> = loader().epoch(2).unwrap().collect();
    let shares: Vec<Vec<Batch>> = (0..3)
        .map(|place| loader().with_share(place, 3).epoch(2).unwrap().collect())
        .collect();
    for (place, whole) in whole.iter().enumerate() {
        let batches = shares.iter().map(|share| &share[place]);
        let sizes: Vec<usize> = batches.clone().map(|batch| batch.images.len()).collect();
        assert_eq!(sizes, [2, 3, 3]);
        let images: Vec<_> = batches.flat_map(|batch| batch.images.clone()).collect();
        assert!(images == whole.images);
    }
}
