//! `bench`: latency, throughput and memory of inference.

mod table;

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use burn::tensor::{Distribution, FloatDType, Tensor, TensorData, backend::Backend};
use resnet_backend::{Selection, Work};
use resnet_cli::Outcome;
use resnet_core::{Network, ResNet, ResNetConfig};
use serde::{Deserialize, Serialize};

use crate::cli::Bench;
use resnet_weights::ModelSource;
use table::Writer;

/// The default networks.
const MODELS: [&str; 5] = [
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "wide_resnet50_2",
    "resnet50d",
];

/// The measurement of one network at one batch size; `--json` prints one per line.
#[derive(Deserialize, Serialize)]
struct Row {
    model: String,
    backend: String,
    device: String,
    dtype: String,
    fused: bool,
    batch_size: usize,
    size: usize,
    /// Time from tensors in memory, or from the file, to a network on the device.
    load_ms: f64,
    /// Time of the first run, which includes kernel compilation and autotuning.
    first_ms: f64,
    runs: usize,
    median_ms: f64,
    min_ms: f64,
    max_ms: f64,
    /// Half the interquartile range.
    spread_ms: f64,
    images_per_second: f64,
    /// A multiply-accumulate counts as 2 FLOP.
    gflop_per_second: f64,
    /// Peak resident memory of the process, without GPU memory; on Linux only.
    peak_mb: Option<f64>,
}

pub(crate) fn run(args: Bench) -> Result<Outcome> {
    let cases = cases(&args)?;
    let selection = args.runtime.selection();
    let mut writer = Writer::new(args.json, args.markdown)?;
    let alone = cases.len() == 1 && args.batch_size.len() == 1;
    for (name, config) in &cases {
        for &batch_size in &args.batch_size {
            let row = match alone {
                true => {
                    let job = Job {
                        args: &args,
                        selection,
                        name,
                        config,
                        batch_size,
                    };
                    resnet_backend::with_backend(selection, job)??
                }
                false => run_in_child(&args, selection, name, batch_size)?,
            };
            writer.write(&row)?;
        }
    }
    Ok(Outcome::Done)
}

/// Runs one case in a child process, so that cases share neither peak memory nor compiled kernels.
fn run_in_child(args: &Bench, selection: Selection, name: &str, batch_size: usize) -> Result<Row> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["bench", "--json", "--backend", &selection.to_string()]);
    command.args(["--dtype", &args.runtime.dtype.to_string()]);
    command.args(["--batch-size", &batch_size.to_string()]);
    command.args(["--size", &args.size.to_string()]);
    command.args(["--runs", &args.runs.to_string()]);
    command.args(["--warmup", &args.warmup.to_string()]);
    command.args(args.fuse.then_some("--fuse"));
    command.args(args.options.arguments());
    command.args(["--memory-limit", &args.runtime.memory.limit().to_string()]);
    match &args.weights {
        // Without a given name, the child infers it from the file again.
        Some(file) => command.arg("--weights").arg(file).args(&args.models),
        None => command.arg(name),
    };
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(
        output.status.success(),
        "`{name}` at batch size {batch_size} could not be measured: its process ended with {}",
        output.status
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Returns the model source of a checkpoint file, with the architecture if one is given.
fn source(args: &Bench, file: &Path, name: Option<&String>) -> Result<ModelSource> {
    args.options.source(file, name.map(String::as_str))
}

/// Returns the names and configs of the networks. Checks all of them before the first one runs.
fn cases(args: &Bench) -> Result<Vec<(String, ResNetConfig)>> {
    let overrides = args.options.overrides()?;
    let named = |name: &str| -> Result<(String, ResNetConfig)> {
        let config = overrides.apply(ResNetConfig::named(name)?)?;
        config.validate()?;
        Ok((name.to_string(), config))
    };
    let cases: Vec<_> = match (&args.weights, args.models.as_slice()) {
        (None, []) => MODELS
            .iter()
            .map(|name| named(name))
            .collect::<Result<_>>()?,
        (None, names) => names
            .iter()
            .map(|name| named(name))
            .collect::<Result<_>>()?,
        (Some(file), names @ ([] | [_])) => {
            let resolved = resnet_cli::resolve(source(args, file, names.first())?)?;
            resolved.config.validate()?;
            vec![(resolved.name, resolved.config)]
        }
        (Some(_), _) => bail!("--weights: expected at most one architecture, found several"),
    };
    for (name, config) in &cases {
        for &batch in &args.batch_size {
            let memory = args.runtime.memory;
            memory.check(name, config, batch, [args.size; 2], "--size")?;
        }
        config
            .check_input([args.size, args.size])
            .with_context(|| format!("`{name}`"))?;
    }
    Ok(cases)
}

struct Job<'a> {
    args: &'a Bench,
    selection: Selection,
    name: &'a str,
    config: &'a ResNetConfig,
    batch_size: usize,
}

impl Work for Job<'_> {
    type Output = Result<Row>;

    fn run<B: Backend>(self, device: B::Device) -> Result<Row> {
        let Self {
            args, batch_size, ..
        } = self;
        let dtype = FloatDType::from(args.runtime.dtype);
        let (model, load_ms) = self.load::<B>(&device)?;
        let shape = [batch_size, self.config.in_channels, args.size, args.size];
        let x =
            Tensor::<B, 4>::random(shape, Distribution::Uniform(-1.0, 1.0), &device).cast(dtype);
        B::sync(&device)?;

        // Reading the logits waits for all queued work of the device, as in a real program.
        let pass = || {
            let start = Instant::now();
            let logits = model.forward(x.clone()).into_data();
            let ms = 1e3 * start.elapsed().as_secs_f64();
            ensure!(
                logits.iter::<f32>().all(f32::is_finite),
                "`{}`: the network's output holds infinities or NaN",
                self.name
            );
            Ok(ms)
        };
        let first_ms = pass()?;
        for _ in 0..args.warmup {
            pass()?;
        }
        let mut times = (0..args.runs)
            .map(|_| pass())
            .collect::<Result<Vec<f64>>>()?;
        times.sort_by(f64::total_cmp);

        let quantile = |share: f64| times[(share * (times.len() - 1) as f64).round() as usize];
        let median = quantile(0.5);
        let macs = self.config.cost([args.size, args.size]).macs as f64;
        let per_second = batch_size as f64 * 1e3 / median;
        Ok(Row {
            model: self.name.to_string(),
            backend: self.selection.to_string(),
            device: B::name(&device),
            dtype: args.runtime.dtype.to_string(),
            fused: args.fuse,
            batch_size,
            size: args.size,
            load_ms,
            first_ms,
            runs: times.len(),
            median_ms: median,
            min_ms: quantile(0.0),
            max_ms: quantile(1.0),
            spread_ms: (quantile(0.75) - quantile(0.25)) / 2.0,
            images_per_second: per_second,
            gflop_per_second: 2.0 * macs * per_second / 1e9,
            peak_mb: peak_mb(),
        })
    }
}

impl Job<'_> {
    /// Loads the network onto the device and returns it with the load time in milliseconds.
    fn load<B: Backend>(&self, device: &B::Device) -> Result<(ResNet<B>, f64)> {
        let model = self.config.init::<B>(device);
        let mut values = match &self.args.weights {
            Some(_) => Vec::new(),
            None => synthetic_state(&model),
        };
        let resolved = match &self.args.weights {
            Some(file) => Some(source(self.args, file, self.args.models.first())?.resolve()?),
            None => None,
        };
        B::sync(device)?;
        let start = Instant::now();
        let model = match &resolved {
            Some(resolved) => {
                let loaded = resolved.strictness().apply(model, &resolved.checkpoint);
                loaded.map_err(resnet_cli::load_error)?.0
            }
            None => {
                values.reverse();
                model.load_state(|_, _| anyhow::Ok(values.pop()))?
            }
        };
        let model = if self.args.fuse { model.fuse() } else { model };
        let model = model.cast(self.args.runtime.dtype.into())?;
        B::sync(device)?;
        Ok((model, 1e3 * start.elapsed().as_secs_f64()))
    }
}

/// Returns deterministic synthetic weights that keep the activations in range. Their values affect
/// the time only through subnormal numbers and overflow, which they avoid.
fn synthetic_state<B: Backend>(model: &ResNet<B>) -> Vec<TensorData> {
    let mut seed = 1_u32;
    let mut uniform = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let mut tensor = |(key, shape): (String, Vec<usize>)| {
        let fan_in = shape[1..].iter().product::<usize>() as f32;
        let (offset, scale) = match shape.len() {
            _ if key.ends_with("running_var") => (1.0, 0.5),
            _ if key.ends_with("running_mean") || key.ends_with("bias") => (0.0, 0.1),
            1 => (0.5, 0.2),
            _ => (0.0, (6.0 / fan_in).sqrt()),
        };
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|_| offset + scale * uniform()).collect();
        TensorData::new(values, shape)
    };
    model.state_shapes().into_iter().map(&mut tensor).collect()
}

fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024.0 / 1e6)
}
