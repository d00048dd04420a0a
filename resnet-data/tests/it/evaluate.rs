//! Evaluation, and outputs with one row per image.

use burn::backend::Flex;
use burn::tensor::Tensor;
use resnet_core::{Arch, ResNet, ResNetConfig};
use resnet_data::{DataLoader, Dataset, EvaluateError, evaluate, for_each_output};
use resnet_image::Preprocessing;
use resnet_testing::pairs;

fn config() -> ResNetConfig {
    Arch::CifarResNet20.config().with_num_classes(6)
}

fn loader(batch_size: usize) -> DataLoader {
    DataLoader::new(Dataset::shapes(7), Preprocessing::cifar()).with_batch_size(batch_size)
}

/// Returns the mean of each channel.
fn means(images: Tensor<Flex, 4>) -> Tensor<Flex, 2> {
    let [batch, channels, _, _] = images.dims();
    images.mean_dim(3).mean_dim(2).reshape([batch, channels])
}

fn rows(batch_size: usize) -> Vec<(usize, Vec<usize>, Vec<f32>)> {
    let (mut rows, device) = (Vec::new(), Default::default());
    for_each_output::<Flex>(
        &config(),
        &loader(batch_size),
        &device,
        u64::MAX,
        means,
        |number, sample, row| rows.push((number, sample.labels().to_vec(), row.to_vec())),
        |bad| panic!("{}", bad.reason),
    )
    .unwrap();
    rows
}

#[test]
fn each_image_gets_its_row_for_any_batch_size() {
    let alone = rows(1);
    let data = Dataset::shapes(7);
    assert_eq!(alone.len(), 7);
    for (place, (number, labels, row)) in alone.iter().enumerate() {
        assert_eq!((*number, row.len()), (place, 3));
        assert_eq!(labels, data.samples()[place].labels());
    }
    assert_ne!(alone[0].2, alone[1].2);
    for ((_, _, row), (_, _, expected)) in pairs(&rows(3), &alone) {
        for (value, expected) in pairs(row, expected) {
            assert!((value - expected).abs() < 1e-5, "{value} {expected}");
        }
    }
}

fn refused(config: &ResNetConfig, limit: u64) -> EvaluateError {
    let device = Default::default();
    let model: ResNet<Flex> = config.init(&device);
    evaluate(&model, &loader(4), &device, limit, |_, _| {}, |_| {}).unwrap_err()
}

#[test]
fn unsuitable_images_are_an_error_before_the_network_runs() {
    let error = refused(&config(), 1 << 20);
    assert!(
        matches!(error, EvaluateError::TooLarge { batch: 4, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("expected at most 1.0 MiB"));
    let error = refused(&config().with_in_channels(1), u64::MAX);
    assert_eq!(
        error.to_string(),
        "the network takes 1 input channel, its preprocessing has 3 means: expected 1 of each; \
         set `Preprocessing::mean` and `Preprocessing::std` to 1 number each (in training, `input` of the config)"
    );
}

#[test]
fn the_error_of_a_non_finite_output_names_the_image() {
    let (mut seen, device) = (0, Default::default());
    let error = for_each_output::<Flex>(
        &config(),
        &loader(7),
        &device,
        u64::MAX,
        |images| means(images) * f32::INFINITY,
        |_, _, _| seen += 1,
        |_| {},
    )
    .unwrap_err();
    let image = Dataset::shapes(7).samples()[0].name().into_owned();
    assert_eq!(seen, 0);
    assert!(
        matches!(&error, EvaluateError::NonFinite { image: found } if *found == image),
        "{error}"
    );
}
