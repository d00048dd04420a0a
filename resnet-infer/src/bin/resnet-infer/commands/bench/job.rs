//! The measurement of one network.

use std::convert::Infallible;
use std::time::Instant;

use anyhow::{Result, ensure};
use burn::tensor::{Distribution, FloatDType, Tensor, TensorData, backend::Backend};
use resnet_backend::{Selection, Work};
use resnet_core::{Network, ResNetConfig};
use resnet_dense::{
    DenseConfig, Detection, DetectorConfig, DetectorNetwork, ImageTensor, SegmentationConfig,
};
use resnet_engine::{Batch, Engine, Outputs};
use resnet_weights::Load;

use super::{Case, Row, Subject, source};
use crate::cli::Bench;

/// One network at one batch size.
pub(super) struct Job<'a> {
    pub(super) args: &'a Bench,
    pub(super) selection: Selection,
    pub(super) case: &'a Case,
    pub(super) batch_size: usize,
}

/// The times of a network in milliseconds.
struct Times {
    load: f64,
    first: f64,
    /// Sorted.
    runs: Vec<f64>,
}

impl Work for Job<'_> {
    type Output = Result<Row>;

    fn run<B: Backend>(self, device: B::Device) -> Result<Row> {
        let times = match &self.case.subject {
            Subject::Classifier(config) => self.classifier::<B>(config, &device),
            Subject::Dense(DenseConfig::Detection(config)) => self.detector::<B>(config, &device),
            Subject::Dense(DenseConfig::Segmentation(config)) => {
                self.segmentation::<B>(config, &device)
            }
        }?;
        Ok(self.row(times, B::name(&device)))
    }
}

impl Job<'_> {
    fn row(&self, times: Times, device: String) -> Row {
        let quantile = |share: f64| {
            let last = (times.runs.len() - 1) as f64;
            times.runs[(share * last).round() as usize]
        };
        let median = quantile(0.5);
        let per_second = self.batch_size as f64 * 1e3 / median;
        let gflop = match &self.case.subject {
            Subject::Classifier(config) => Some(2.0 * config.cost(self.size()).macs as f64 / 1e9),
            Subject::Dense(_) => None,
        };
        Row {
            model: self.case.name.clone(),
            backend: self.selection.to_string(),
            device,
            dtype: self.args.runtime.dtype.to_string(),
            fused: self.args.fuse,
            batch_size: self.batch_size,
            size: self.size(),
            load_ms: times.load,
            first_ms: times.first,
            runs: times.runs.len(),
            median_ms: median,
            min_ms: quantile(0.0),
            max_ms: quantile(1.0),
            spread_ms: (quantile(0.75) - quantile(0.25)) / 2.0,
            images_per_second: per_second,
            gflop_per_second: gflop.map(|gflop| gflop * per_second),
            packed_mb: None,
            maps_mb: None,
            peak_mb: peak_mb(),
        }
    }

    /// Measures a compiled network.
    pub(super) fn compiled(&self, config: &ResNetConfig) -> Result<Row> {
        let size = self.size();
        let options =
            self.args
                .compile
                .options(self.args.runtime.dtype, self.batch_size, Some(size));
        let opened = match &self.args.weights {
            Some(file) => Some(source(self.args, file, self.args.models.first())?.resolve()?),
            None => None,
        };
        let start = Instant::now();
        let engine = match &opened {
            Some(resolved) => resnet_cli::compile(resolved, options)?,
            None => {
                let mut uniform = uniform();
                let values = |key: &str, shape: &[usize]| {
                    Ok::<_, Infallible>(synthetic(key, shape, &mut uniform))
                };
                Engine::compile(config, values, options)?
            }
        };
        let load = 1e3 * start.elapsed().as_secs_f64();
        let dims = [self.batch_size, config.in_channels, size[0], size[1]];
        let mut uniform = uniform();
        let x: Vec<f32> = (0..dims.iter().product()).map(|_| uniform()).collect();
        let mut session = engine.session();
        let outputs = match config.num_classes {
            0 => Outputs::EMBEDDING,
            _ => Outputs::LOGITS,
        };
        let times = self.time(load, || {
            let results = session.run(Batch::channels_first(&x, dims), outputs)?;
            let values = results.logits().or(results.embedding());
            self.check_finite(values.into_iter().flatten().copied())
        })?;
        Ok(Row {
            packed_mb: Some(engine.weight_bytes() as f64 / 1e6),
            maps_mb: Some(session.arena_bytes() as f64 / 1e6),
            ..self.row(times, "cpu".into())
        })
    }

    fn size(&self) -> [usize; 2] {
        let size = self.args.size.map(|size| size.0);
        size.unwrap_or(self.case.default_size())
    }

    fn input<B: Backend>(&self, channels: usize, device: &B::Device) -> Tensor<B, 4> {
        let [height, width] = self.size();
        let shape = [self.batch_size, channels, height, width];
        let x = Tensor::<B, 4>::random(shape, Distribution::Uniform(-1.0, 1.0), device);
        x.cast(FloatDType::from(self.args.runtime.dtype))
    }

    /// Reading the logits waits for all queued work of the device, as in a real program.
    fn read<B: Backend>(&self, logits: Tensor<B, 4>) -> Result<()> {
        self.check_finite(logits.into_data().iter::<f32>())
    }

    fn check_finite(&self, mut logits: impl Iterator<Item = f32>) -> Result<()> {
        ensure!(
            logits.all(f32::is_finite),
            "`{}`: the network's output holds infinities or NaN",
            self.case.name
        );
        Ok(())
    }

    fn classifier<B: Backend>(&self, config: &ResNetConfig, device: &B::Device) -> Result<Times> {
        let x = self.input::<B>(config.in_channels, device);
        self.measure(config.init::<B>(device), device, |model| {
            self.read(model.forward(x.clone()).unsqueeze())
        })
    }

    fn segmentation<B: Backend>(
        &self,
        config: &SegmentationConfig,
        device: &B::Device,
    ) -> Result<Times> {
        let x = self.input::<B>(config.backbone.in_channels, device);
        self.measure(config.init::<B>(device), device, |model| {
            self.read(model.forward(x.clone()).out)
        })
    }

    /// Measures detection with preprocessing and post-processing.
    fn detector<B: Backend>(&self, config: &DetectorConfig, device: &B::Device) -> Result<Times> {
        let size = self.size();
        let count = config.body().in_channels * size[0] * size[1];
        let mut uniform = uniform();
        let images: Vec<ImageTensor> = (0..self.batch_size)
            .map(|_| {
                let values = (0..count).map(|_| uniform() / 2.0 + 0.5);
                ImageTensor::from_floats(size, values.collect())
            })
            .collect();
        let network: DetectorNetwork<B> = config.init(device);
        self.measure(network, device, |network| {
            let found = network.detect(&images, device);
            let finite = |found: &Detection| found.corners.iter().all(|side| side.is_finite());
            ensure!(
                found.iter().flatten().all(finite),
                "`{}`: a box is infinite or NaN",
                self.case.name
            );
            Ok(())
        })
    }

    fn measure<B: Backend, N: Network<B>>(
        &self,
        network: N,
        device: &B::Device,
        run: impl Fn(&N) -> Result<()>,
    ) -> Result<Times> {
        let (network, load) = self.load(network, device)?;
        B::sync(device)?;
        self.time(load, || run(&network))
    }

    /// Times the runs of a loaded network.
    fn time(&self, load: f64, mut run: impl FnMut() -> Result<()>) -> Result<Times> {
        let mut pass = || {
            let start = Instant::now();
            run()?;
            anyhow::Ok(1e3 * start.elapsed().as_secs_f64())
        };
        let first = pass()?;
        for _ in 0..self.args.warmup {
            pass()?;
        }
        let runs = (0..self.args.runs).map(|_| pass());
        let mut runs = runs.collect::<Result<Vec<f64>>>()?;
        runs.sort_by(f64::total_cmp);
        Ok(Times { load, first, runs })
    }

    /// Loads the network onto the device and returns it with the load time in milliseconds.
    fn load<B: Backend, N: Network<B>>(&self, network: N, device: &B::Device) -> Result<(N, f64)> {
        let mut values = match &self.args.weights {
            Some(_) => Vec::new(),
            None => synthetic_state(&network),
        };
        // The file and the differences to accept between file and network.
        let opened = match (&self.args.weights, &self.case.subject) {
            (None, _) => None,
            (Some(file), subject) => {
                let source = source(self.args, file, self.args.models.first())?;
                Some(match subject {
                    Subject::Classifier(_) => {
                        let resolved = source.resolve()?;
                        (resolved.strictness(), resolved.checkpoint)
                    }
                    Subject::Dense(_) => (Load::default(), source.resolve_dense()?.checkpoint),
                })
            }
        };
        B::sync(device)?;
        let start = Instant::now();
        let network = match &opened {
            Some((strictness, checkpoint)) => {
                let loaded = strictness.apply(network, checkpoint);
                loaded.map_err(resnet_cli::load_error)?.0
            }
            None => {
                values.reverse();
                network.load_state(|_, _| anyhow::Ok(values.pop()))?
            }
        };
        let network = match self.args.fuse {
            true => network.fuse(),
            false => network,
        };
        let network = network.cast(self.args.runtime.dtype.into())?;
        B::sync(device)?;
        Ok((network, 1e3 * start.elapsed().as_secs_f64()))
    }
}

/// Returns a generator of pseudo-random numbers from -1 to 1.
fn uniform() -> impl FnMut() -> f32 {
    let mut seed = 1_u32;
    move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / 8_388_608.0 - 1.0
    }
}

/// Returns deterministic synthetic weights that keep the activations in range. Their values affect
/// the time through subnormal numbers and overflow, which they avoid, and through the number of
/// detections.
fn synthetic_state<B: Backend>(network: &impl Network<B>) -> Vec<TensorData> {
    let mut uniform = uniform();
    let mut tensor = |(key, shape): (String, Vec<usize>)| {
        TensorData::new(synthetic(&key, &shape, &mut uniform), shape)
    };
    network
        .state_shapes()
        .into_iter()
        .map(&mut tensor)
        .collect()
}

/// Returns synthetic values of one tensor.
fn synthetic(key: &str, shape: &[usize], uniform: &mut impl FnMut() -> f32) -> Vec<f32> {
    let fan_in = shape[1..].iter().product::<usize>() as f32;
    let (offset, scale) = match shape.len() {
        _ if key.ends_with("running_var") => (1.0, 0.5),
        _ if key.ends_with("running_mean") || key.ends_with("bias") => (0.0, 0.1),
        1 => (0.5, 0.2),
        _ => (0.0, (6.0 / fan_in).sqrt()),
    };
    let count = shape.iter().product();
    (0..count).map(|_| offset + scale * uniform()).collect()
}

fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024.0 / 1e6)
}
