//! `forward` for detectors and segmentation networks.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use resnet_backend::Work;
use resnet_cli::{Outcome, check_f32};
use resnet_core::Network;
use resnet_dense::{DenseConfig, Detections, DetectorConfig, ImageTensor, SegmentationConfig};
use resnet_weights::{Checkpoint, ResolvedDense};

use crate::cli::Forward;
use crate::commands::check_distinct;

pub(super) fn run(args: Forward, offline: bool) -> Result<Outcome> {
    check_f32(args.network.runtime)?;
    let network = args.network.resolve_dense(offline)?;
    check_distinct(&args.output, network.checkpoint.name().as_ref())?;
    ensure!(
        args.output_stride.is_none(),
        "--output-stride: expected a classifier; pass `--set output_stride=N` for this network"
    );
    let input = match &network.config {
        DenseConfig::Detection(config) => Input::Images(read_images(&args.input, config)?),
        DenseConfig::Segmentation(config) => Input::Batch(read_batch(&args.input, config)?),
    };
    let (batch, size) = input.size(&network.config);
    let memory = args.network.runtime.memory;
    memory.check(
        args.input.display(),
        network.config.body(),
        batch,
        size,
        "in --input",
    )?;
    resnet_backend::with_backend(
        args.network.runtime.selection(),
        Job {
            args,
            network,
            input,
        },
    )?
}

enum Input {
    /// Normalized images of one size.
    Batch(TensorData),
    /// Images with values in `[0, 1]`.
    Images(Vec<ImageTensor>),
}

impl Input {
    /// Returns the number of images, and the height and width that the network gets.
    fn size(&self, config: &DenseConfig) -> (usize, [usize; 2]) {
        match (self, config) {
            (Self::Batch(batch), _) => match batch.shape[..] {
                [batch, _, height, width] => (batch, [height, width]),
                _ => (0, [0, 0]),
            },
            (Self::Images(images), DenseConfig::Detection(config)) => {
                let sizes = images.iter().map(ImageTensor::size);
                (images.len(), config.transform().padded(sizes))
            }
            (Self::Images(images), DenseConfig::Segmentation(_)) => (images.len(), [0, 0]),
        }
    }
}

/// Reads the tensors `input_0`, `input_1`, ….
fn read_images(path: &Path, config: &DetectorConfig) -> Result<Vec<ImageTensor>> {
    let file = path.display();
    let tensors = Checkpoint::open(path)?;
    let channels = config.body().in_channels;
    let mut images = Vec::new();
    while let Some(entry) = tensors.get(&format!("input_{}", images.len())) {
        let key = entry.key();
        let &[found, height, width] = entry.shape() else {
            bail!(
                "`{file}`: `{key}`: expected [{channels}, height, width], found {:?}",
                entry.shape()
            );
        };
        ensure!(
            found == channels && height > 0 && width > 0 && entry.dtype().is_float(),
            "`{file}`: `{key}`: expected floats of shape [{channels}, height, width], found {} {:?}",
            entry.dtype(),
            entry.shape()
        );
        let values: Vec<f32> = tensors.read(key)?.iter().collect();
        ensure!(
            values.iter().all(|value| value.is_finite()),
            "`{file}`: `{key}`: expected finite numbers, found infinities or NaN"
        );
        images.push(ImageTensor::from_floats([height, width], values));
    }
    ensure!(
        !images.is_empty(),
        "`{file}`: expected tensors `input_0`, `input_1`, …: images with values from 0 to 1"
    );
    Ok(images)
}

/// Reads the tensor `input`.
fn read_batch(path: &Path, config: &SegmentationConfig) -> Result<TensorData> {
    super::read_input(path, &config.backbone)
}

struct Job {
    args: Forward,
    network: ResolvedDense,
    input: Input,
}

impl Work for Job {
    type Output = Result<Outcome>;

    fn run<B: Backend>(self, device: B::Device) -> Result<Outcome> {
        let tensors = match (&self.network.config, self.input) {
            (DenseConfig::Detection(config), Input::Images(images)) => {
                let (model, _) = self.network.load_into(config.init::<B>(&device))?;
                let model = if self.args.fuse { model.fuse() } else { model };
                let sizes = images.iter().map(ImageTensor::size).collect::<Vec<_>>();
                detections(model.detect(&images, &device), &sizes, config)
            }
            (DenseConfig::Segmentation(config), Input::Batch(batch)) => {
                let (model, _) = self.network.load_into(config.init::<B>(&device))?;
                let model = if self.args.fuse { model.fuse() } else { model };
                let output = model.forward(Tensor::from_data(batch, &device));
                let mut tensors = vec![("out".to_string(), output.out.into_data())];
                tensors.extend(output.aux.map(|aux| ("aux".to_string(), aux.into_data())));
                tensors
            }
            _ => bail!("the input does not fit the task of the network"),
        };
        super::save(&self.args.output, tensors)?;
        Ok(Outcome::Done)
    }
}

/// Returns the results of each image `I` as tensors `boxes_I`, `labels_I`, `scores_I`, `masks_I`,
/// `keypoints_I` and `keypoint_scores_I`.
fn detections(
    images: Vec<Detections>,
    sizes: &[[usize; 2]],
    config: &DetectorConfig,
) -> Vec<(String, TensorData)> {
    let mut tensors = Vec::new();
    for (i, (found, size)) in images.into_iter().zip(sizes).enumerate() {
        let n = found.len();
        let mut add = |name: &str, values: Vec<f32>, shape: Vec<usize>| {
            tensors.push((format!("{name}_{i}"), TensorData::new(values, shape)));
        };
        let corners = found.iter().flat_map(|object| object.corners);
        add("boxes", corners.collect(), vec![n, 4]);
        let scores = found.iter().map(|object| object.score);
        add("scores", scores.collect(), vec![n]);
        let labels: Vec<i64> = found.iter().map(|object| object.label as i64).collect();
        if config.has_masks() {
            let masks = found.iter().filter_map(|object| object.mask.as_ref());
            let masks: Vec<f32> = masks.flat_map(|mask| mask.paste().whole()).collect();
            add("masks", masks, vec![n, 1, size[0], size[1]]);
        }
        let points = found.iter().filter_map(|object| object.keypoints.as_ref());
        if let Some(count) = config.keypoints() {
            let flat = points.flatten();
            let places = flat.clone().flat_map(|point| [point.x, point.y, 1.0]);
            add("keypoints", places.collect(), vec![n, count, 3]);
            add(
                "keypoint_scores",
                flat.map(|point| point.score).collect(),
                vec![n, count],
            );
        }
        tensors.push((format!("labels_{i}"), TensorData::new(labels, [n])));
    }
    tensors
}
