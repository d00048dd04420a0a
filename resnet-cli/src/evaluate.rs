//! `evaluate`: accuracy of a network on labeled images.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use burn::tensor::backend::Backend;
use clap::Args;
use resnet_backend::Work;
use resnet_core::Network as _;
use resnet_data::{
    BadImage, ClassOrder, ClassScores, DataLoader, DataOptions, Dataset, EvaluateError,
    NetworkClasses, Scores,
};
use resnet_image::Preprocessing;
use resnet_weights::{Classes, FloatType, Labels, OutputActivation, Resolved};
use serde::Serialize;

use crate::{
    CompileFlags, DataFlags, NetworkFlags, Outcome, PreprocessingFlags, check_classifier, compiles,
    json, positive, printable, run_compiled, tell, tell_left_out,
};

/// The default of `--batch-size`.
const BATCH: usize = 32;

/// Labeled images and a network.
#[derive(Debug, Args)]
pub struct Evaluate {
    /// Labeled images: a folder with one subfolder for each class, or with such subfolders in `val`
    /// (`valid`, `validation`, `dev`) or `test` (`testing`, `eval`); a table (`.csv`, `.tsv`) with
    /// a column of paths and one of labels; a folder with CIFAR's binary files; or `shapes` (drawn
    /// images). Classes are matched by name, by WordNet id for ImageNet, or by index.
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    #[command(flatten)]
    flags: DataFlags,
    /// Class order of a network whose weights do not name the classes. `lexical`: sorted folder
    /// names, `10` before `2` (torchvision); `numeric`: `2` before `10` (timm); `index`: folder `3`
    /// is class 3, counted from 0 [default: an error if the orders differ].
    #[arg(long, value_name = "ORDER", help_heading = "Input")]
    class_order: Option<ClassOrder>,
    /// The network.
    #[command(flatten)]
    pub network: NetworkFlags,
    /// Class names: a text file with one label per line, or `imagenet1k`, `imagenet12k` or
    /// `cifar10` [default: from the weights].
    #[arg(long, value_name = "FILE", help_heading = "Model")]
    labels: Option<PathBuf>,
    /// The preprocessing.
    #[command(flatten)]
    pub preprocessing: PreprocessingFlags,
    /// Output activation, which turns logits into probabilities: `softmax` for one class per image,
    /// `sigmoid` for multi-label classification [default: from the weights, else softmax].
    #[arg(long, value_name = "NAME", help_heading = "Model")]
    activation: Option<OutputActivation>,
    /// The compiled network.
    #[command(flatten)]
    compile: CompileFlags,
    /// Images per batch.
    #[arg(long, value_name = "N", default_value_t = BATCH, value_parser = positive, help_heading = "Runtime")]
    batch_size: usize,
    /// Print a JSON object instead of a table.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

impl Evaluate {
    /// Refuses the flags that only classifiers use.
    ///
    /// # Errors
    ///
    /// Returns an error if such a flag is set.
    pub fn check_dense(&self) -> Result<()> {
        let of_classifiers = [
            (
                "--path-column, --label-column and --layout",
                self.flags.options() != DataOptions::default(),
            ),
            ("--class-order", self.class_order.is_some()),
            ("--labels", self.labels.is_some()),
            ("--activation", self.activation.is_some()),
            ("--batch-size", self.batch_size != BATCH),
            ("--memory", self.compile != CompileFlags::default()),
        ];
        for (name, is_set) in of_classifiers {
            ensure!(
                !is_set,
                "{name}: expected a classifier, found a detector or a segmentation network"
            );
        }
        Ok(())
    }
}

/// Runs the command `evaluate`.
///
/// # Errors
///
/// Returns an error if the images or the network cannot be loaded, or the network does not fit the
/// images.
pub fn evaluate(args: Evaluate, offline: bool) -> Result<Outcome> {
    let data = args.flags.options().open_held_out(&args.data)?;
    let labels = args.labels.as_ref().map(Labels::open).transpose()?;
    let network = args.network.resolve(Classes::FromFile, offline)?;
    let classes = network.config.num_classes;
    let labels = crate::labels(labels, args.labels.as_deref(), &network)?;
    let preprocessing = args.preprocessing.over(network.preprocessing);
    check_classifier(&network, &preprocessing)?;
    if let Some(side) = preprocessing.crop {
        let size = [side as usize; 2];
        network.config.check_input(size)?;
        let memory = args.network.runtime.memory;
        let file = network.checkpoint.name();
        memory.check(file, &network.config, args.batch_size, size, "--crop")?;
    }
    let runtime = args.network.runtime;
    args.compile.check(runtime.selection())?;
    ensure!(
        runtime.dtype == FloatType::F32 || compiles(runtime.selection()),
        "--dtype: expected f32, found {}; on this backend, evaluation runs in f32 only",
        runtime.dtype
    );
    let activation = args.activation.unwrap_or(network.activation);
    let data = for_network(
        data,
        &args.data,
        &labels,
        classes,
        activation,
        args.class_order,
    )?;
    tell(&[&data]);
    let job = Job {
        args,
        data,
        network,
        preprocessing,
    };
    match compiles(runtime.selection()) {
        true => job.compiled(),
        false => resnet_backend::with_backend(runtime.selection(), job)?,
    }
}

/// Maps the classes of a dataset to the classes of a network. Errors name `path`, the dataset.
///
/// # Errors
///
/// Returns an error if the classes do not fit the network.
pub fn for_network(
    data: Dataset,
    path: &Path,
    labels: &Labels,
    classes: usize,
    activation: OutputActivation,
    order: Option<ClassOrder>,
) -> Result<Dataset> {
    let data = match activation {
        // With a single logit, the sigmoid distinguishes two exclusive classes, not several labels.
        OutputActivation::Sigmoid if classes > 1 => data.with_several_labels(),
        _ => data,
    };
    let matched = network_classes(labels, classes, data.is_multi_label());
    Ok(data.matched(&matched.with_order(order), path)?)
}

/// Returns the classes of the network, with their names unless the labels are only numbers.
///
/// A single logit distinguishes two classes or, for multi-label images, one class from its absence.
fn network_classes(labels: &Labels, count: usize, several: bool) -> NetworkClasses {
    let names: Vec<String> = (0..labels.len())
        .map(|class| labels.get(class).into())
        .collect();
    match (count, several, names.as_slice()) {
        (1, false, [_]) if labels.are_numbers() => NetworkClasses::unnamed(2),
        (1, false, [name]) => NetworkClasses::named(vec![format!("not {name}"), name.clone()]),
        _ if labels.are_numbers() => NetworkClasses::unnamed(count),
        _ if Labels::named("imagenet1k").as_ref() == Some(labels) => {
            NetworkClasses::named(names).with_imagenet()
        }
        _ => NetworkClasses::named(names),
    }
}

struct Job {
    args: Evaluate,
    data: Dataset,
    network: Resolved,
    preprocessing: Preprocessing,
}

/// The output of `--json`.
#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    images: u64,
    unreadable: usize,
    top1: f64,
    top5: f64,
    loss: f64,
    calibration_error: f64,
    classes: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    #[serde(flatten)]
    scores: ClassScores,
}

impl Work for Job {
    type Output = Result<Outcome>;

    fn run<B: Backend>(self, device: B::Device) -> Result<Outcome> {
        let model = crate::load::<B>(&self.network, &device)?.fuse();
        let limit = self.args.network.runtime.memory.limit();
        self.evaluate(|loader, bad| {
            resnet_data::evaluate(&model, loader, &device, limit, |_, _| {}, bad)
        })
    }
}

impl Job {
    fn compiled(self) -> Result<Outcome> {
        let Evaluate {
            network,
            compile,
            batch_size,
            ..
        } = &self.args;
        let runtime = network.runtime;
        let options = compile.for_images(runtime.dtype, *batch_size, &self.preprocessing);
        let engine = crate::compile(&self.network, options)?;
        let mut session = engine.session();
        let forward = |images| run_compiled(&mut session, &images).map_err(Into::into);
        let limit = runtime.memory.limit();
        self.evaluate(|loader, bad| {
            resnet_data::evaluate_with(engine.config(), loader, limit, forward, |_, _| {}, bad)
        })
    }

    /// Scores all images with `score` and prints the report.
    fn evaluate(
        self,
        score: impl FnOnce(&DataLoader, &mut dyn FnMut(&BadImage)) -> Result<Scores, EvaluateError>,
    ) -> Result<Outcome> {
        let classes = self.data.classes().to_vec();
        let loader =
            DataLoader::new(self.data, self.preprocessing).with_batch_size(self.args.batch_size);
        let mut unreadable = 0;
        let mut bad = |image: &BadImage| {
            unreadable += 1;
            tell_left_out(image);
        };
        let scores = score(&loader, &mut bad)?;
        let report = Report {
            model: &self.network.name,
            images: scores.images(),
            unreadable,
            top1: scores.top1(),
            top5: scores.top5(),
            loss: scores.loss(),
            calibration_error: scores.calibration_error(),
            classes: rows(&scores, &classes),
        };
        let mut out = io::stdout().lock();
        match self.args.json {
            true => writeln!(out, "{}", json(&report)?)?,
            false => report.table(&mut out)?,
        }
        Ok(Outcome::of(unreadable > 0))
    }
}

/// Returns the scores of the classes that have images.
fn rows<'a>(scores: &Scores, classes: &'a [String]) -> Vec<Row<'a>> {
    let rows = scores.per_class().into_iter().zip(classes);
    rows.filter(|(scores, _)| scores.images > 0)
        .map(|(scores, name)| Row { name, scores })
        .collect()
}

impl Report<'_> {
    fn table(&self, out: &mut impl Write) -> io::Result<()> {
        let percent = |share: f64| format!("{:.2} %", 100.0 * share);
        writeln!(out, "images             {:>9}", self.images)?;
        writeln!(out, "top-1              {:>9}", percent(self.top1))?;
        if self.classes.len() > 5 {
            writeln!(out, "top-5              {:>9}", percent(self.top5))?;
        }
        writeln!(out, "loss               {:>9.4}", self.loss)?;
        writeln!(out, "calibration error  {:>9.4}", self.calibration_error)?;
        let names = self.classes.iter().map(|row| printable(row.name));
        let names: Vec<String> = names.collect();
        let width = names.iter().map(|name| name.chars().count()).max();
        let width = width.unwrap_or(0).max("class".len());
        writeln!(out, "\n{:width$}  images   recall  precision", "class")?;
        for (row, name) in self.classes.iter().zip(names) {
            let share = |share: Option<f64>| share.map_or("-".into(), percent);
            let scores = &row.scores;
            let (recall, precision) = (share(scores.recall), share(scores.precision));
            let images = scores.images;
            writeln!(
                out,
                "{name:width$}  {images:>6} {recall:>8}   {precision:>8}"
            )?;
        }
        out.flush()
    }
}
