//! `bench`: latency, throughput and memory of inference.

mod job;
mod table;

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use resnet_backend::Selection;
use resnet_cli::{CompileFlags, Outcome, compiles};
use resnet_core::ResNetConfig;
use resnet_dense::{DenseArch, DenseConfig};
use resnet_weights::{Checkpoint, FloatType, ModelSource};
use serde::{Deserialize, Serialize};

use crate::cli::Bench;
use job::Job;
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
pub(crate) struct Row {
    model: String,
    backend: String,
    device: String,
    dtype: String,
    fused: bool,
    batch_size: usize,
    /// Height and width of the images.
    size: [usize; 2],
    /// Time from tensors in memory, or from the file, to a network on the device.
    load_ms: f64,
    /// Time of the first run, which includes kernel compilation and autotuning.
    first_ms: f64,
    runs: usize,
    pub(crate) median_ms: f64,
    min_ms: f64,
    max_ms: f64,
    /// Half the interquartile range.
    spread_ms: f64,
    images_per_second: f64,
    /// A multiply-accumulate counts as 2 FLOP. Only for classifiers.
    gflop_per_second: Option<f64>,
    /// Size of the packed weights of a compiled network.
    packed_mb: Option<f64>,
    /// Size of the buffer of feature maps of a compiled network.
    maps_mb: Option<f64>,
    /// Peak resident memory of the process, without GPU memory; on Linux only.
    pub(crate) peak_mb: Option<f64>,
}

/// A network to measure.
enum Subject {
    Classifier(ResNetConfig),
    Dense(DenseConfig),
}

/// A network to measure, with its name.
struct Case {
    name: String,
    subject: Subject,
}

impl Case {
    fn body(&self) -> &ResNetConfig {
        match &self.subject {
            Subject::Classifier(config) => config,
            Subject::Dense(config) => config.body(),
        }
    }

    /// Returns the default height and width of the images: the size that the published weights use.
    fn default_size(&self) -> [usize; 2] {
        match self.subject {
            Subject::Classifier(_) => [224, 224],
            Subject::Dense(DenseConfig::Segmentation(_)) => [520, 520],
            Subject::Dense(DenseConfig::Detection(_)) => [800, 1066],
        }
    }

    fn check(&self, args: &Bench) -> Result<()> {
        let size = args.size.map_or(self.default_size(), |size| size.0);
        let memory = args.runtime.memory;
        for &batch in &args.batch_size {
            memory.check(&self.name, self.body(), batch, size, "--size")?;
        }
        match &self.subject {
            Subject::Classifier(config) => {
                let checked = config.check_input(size);
                checked.with_context(|| format!("`{}`", self.name))
            }
            Subject::Dense(_) => {
                let dtype = args.runtime.dtype;
                ensure!(
                    dtype == FloatType::F32,
                    "`{}`: expected --dtype f32 for detection and segmentation, found {dtype}",
                    self.name
                );
                Ok(())
            }
        }
    }
}

pub(crate) fn run(mut args: Bench) -> Result<Outcome> {
    let cases = cases(&args)?;
    if let Some(file) = &args.weights {
        // Only compiled networks run integers.
        args.fuse |= Checkpoint::open(file)?.is_quantized();
    }
    let selection = args.runtime.selection();
    args.compile.check(selection)?;
    ensure!(
        args.compile == CompileFlags::default() || args.fuse,
        "--memory: expected --fuse as well, because only fused networks are compiled"
    );
    let mut writer = Writer::new(args.json, args.markdown)?;
    let alone = cases.len() == 1 && args.batch_size.len() == 1;
    for case in &cases {
        for &batch_size in &args.batch_size {
            let row = match alone {
                true => {
                    let job = Job {
                        args: &args,
                        selection,
                        case,
                        batch_size,
                    };
                    match &case.subject {
                        Subject::Classifier(config) if args.fuse && compiles(selection) => {
                            job.compiled(config)?
                        }
                        _ => resnet_backend::with_backend(selection, job)??,
                    }
                }
                false => run_in_child(&args, selection, &case.name, batch_size)?,
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
    if let Some(size) = args.size {
        command.args(["--size", &size.to_string()]);
    }
    command.args(["--runs", &args.runs.to_string()]);
    command.args(["--warmup", &args.warmup.to_string()]);
    command.args(args.fuse.then_some("--fuse"));
    command.args(args.compile.arguments());
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

/// Returns the networks. Checks all of them before the first one runs.
fn cases(args: &Bench) -> Result<Vec<Case>> {
    let overrides = args.options.overrides()?;
    let named = |name: &str| -> Result<Case> {
        let subject = match name.parse::<DenseArch>() {
            Ok(arch) => {
                let config = overrides.apply_dense(arch.config())?;
                config.validate()?;
                Subject::Dense(config)
            }
            Err(_) => {
                let config = overrides.apply(ResNetConfig::named(name)?)?;
                config.validate()?;
                Subject::Classifier(config)
            }
        };
        let name = name.to_string();
        Ok(Case { name, subject })
    };
    let cases: Vec<Case> = match (&args.weights, args.models.as_slice()) {
        (None, []) => MODELS
            .iter()
            .map(|name| named(name))
            .collect::<Result<_>>()?,
        (None, names) => names
            .iter()
            .map(|name| named(name))
            .collect::<Result<_>>()?,
        (Some(file), names @ ([] | [_])) => vec![of_file(args, file, names.first())?],
        (Some(_), _) => bail!("--weights: expected at most one architecture, found several"),
    };
    cases.iter().try_for_each(|case| case.check(args))?;
    Ok(cases)
}

/// Returns the network of a file.
fn of_file(args: &Bench, file: &Path, name: Option<&String>) -> Result<Case> {
    let dense = match name {
        Some(name) => name.parse::<DenseArch>().is_ok(),
        None => Checkpoint::open(file)?.is_dense(),
    };
    let source = source(args, file, name)?;
    if dense {
        let resolved = source.resolve_dense()?;
        return Ok(Case {
            name: resolved.name,
            subject: Subject::Dense(resolved.config),
        });
    }
    let resolved = resnet_cli::resolve(source)?;
    resolved.config.validate()?;
    Ok(Case {
        name: resolved.name,
        subject: Subject::Classifier(resolved.config),
    })
}
