//! Accuracy, time and memory of the network in floats and with integers.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;
use resnet_cli::{batch, note, run_compiled};
use resnet_data::DataLoader;
use resnet_engine::{Engine, Outputs};

use super::Job;
use super::calibrate::Examples;
use crate::commands::bench::Row;

/// The outputs of a network on images.
pub(super) struct Scores {
    /// Share of correct images, if there are labels.
    top1: Option<f64>,
    /// The most probable class of each image.
    classes: Vec<usize>,
}

impl Scores {
    /// Runs the labeled images, or else the example images.
    pub(super) fn of(
        memory_limit: u64,
        engine: &Engine,
        loader: Option<&DataLoader>,
        examples: &Examples,
    ) -> Result<Self> {
        let mut session = engine.session();
        let mut classes = Vec::new();
        let Some(loader) = loader else {
            for image in examples.iter() {
                let results = session.run(batch(image), Outputs::LOGITS)?;
                classes.push(largest(results.logits().unwrap_or_default()));
            }
            return Ok(Self {
                top1: None,
                classes,
            });
        };
        let forward = |images| run_compiled(&mut session, &images).map_err(Into::into);
        let scores = resnet_data::evaluate_with(
            engine.config(),
            loader,
            memory_limit,
            forward,
            |_, logits| classes.push(largest(logits)),
            resnet_cli::tell_left_out,
        )?;
        Ok(Self {
            top1: Some(scores.top1()),
            classes,
        })
    }

    /// Returns the accuracy in percent.
    pub(super) fn top1_points(&self) -> f64 {
        100.0 * self.top1.unwrap_or_default()
    }

    pub(super) fn top1(&self) -> Option<f64> {
        self.top1
    }

    /// Returns the number of images.
    pub(super) fn images(&self) -> usize {
        self.classes.len()
    }

    /// Returns the share of images with the same most probable class.
    pub(super) fn agreement(&self, other: &Self) -> f64 {
        let same = self.classes.iter().zip(&other.classes);
        let same = same.filter(|(a, b)| a == b).count();
        same as f64 / self.classes.len().max(1) as f64
    }
}

/// Returns the index of the largest value. A single logit distinguishes two classes.
fn largest(values: &[f32]) -> usize {
    if let [logit] = values {
        return usize::from(*logit > 0.0);
    }
    let places = values.iter().enumerate();
    let largest = places.max_by(|a, b| a.1.total_cmp(b.1));
    largest.map_or(0, |(index, _)| index)
}

/// Runs the command `bench` in processes of their own, because memory does not return to the
/// operating system at once.
pub(super) fn bench(job: &Job, file: Option<&Path>, size: [usize; 2]) -> Result<Vec<Row>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([
        "bench",
        "--json",
        "--fuse",
        "--batch-size",
        "1,8",
        "--runs",
        "15",
    ]);
    let [height, width] = size;
    command.args(["--size", &format!("{height}x{width}")]);
    command.args([
        "--memory-limit",
        &job.args.network.runtime.memory.limit().to_string(),
    ]);
    match (file, &job.network.weights) {
        (Some(file), _) if *file == job.args.output => command.arg("--weights").arg(file),
        (Some(file), weights) => {
            let arch = weights.as_ref().map(|weights| weights.arch.name());
            let arch = arch.or(job.args.network.arch.as_deref());
            command.arg("--weights").arg(file).args(arch);
            command.args(job.args.network.options.arguments())
        }
        // The network is in this program. Its values do not change the time.
        (None, Some(weights)) => command.arg(weights.arch.name()),
        (None, None) => return Ok(Vec::new()),
    };
    let runtime = job.args.network.runtime;
    command.args(["--backend", "cpu", "--dtype", &runtime.dtype.to_string()]);
    let output = command.stderr(Stdio::null()).output()?;
    if !output.status.success() {
        note("the time and the peak memory of a network could not be measured");
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let rows = text.lines().map(serde_json::from_str);
    Ok(rows.collect::<Result<_, _>>()?)
}
