//! `quantize`: writes a classifier with 8-bit integers and reports what it saves and loses.

mod calibrate;
mod layers;
mod measure;
mod report;

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};
use resnet_cli::{
    CompileFlags, Outcome, check_classifier, compiles, for_network, note, printable, tell,
};
use resnet_data::{DataLoader, DataOptions};
use resnet_engine::{CompileOptions, Engine, QuantizedNetwork};
use resnet_image::Preprocessing;
use resnet_weights::{Classes, Labels, QuantizationInfo, Resolved, Save};

use self::calibrate::Examples;
use self::measure::Scores;
use self::report::Report;
use crate::cli::Quantize;
use crate::commands::check_distinct;
use crate::images;

pub(crate) fn run(args: Quantize, offline: bool) -> Result<Outcome> {
    check_output(&args)?;
    let sources = images::find(&args.calibrate)?;
    let data = args.evaluate.as_ref();
    let data = data
        .map(|path| DataOptions::default().open_held_out(path))
        .transpose()?;
    let labels = args.labels.as_ref().map(Labels::open).transpose()?;
    let network = args.network.resolve(Classes::FromFile, offline)?;
    check_distinct(&args.output, network.checkpoint.name().as_ref())?;
    ensure!(
        !network.checkpoint.is_quantized(),
        "`{}`: expected weights in floats, found a quantized network",
        network.checkpoint.name()
    );
    let labels = resnet_cli::labels(labels, args.labels.as_deref(), &network)?;
    let preprocessing = args.preprocessing.over(network.preprocessing);
    check_classifier(&network, &preprocessing)?;
    let data = match (data, &args.evaluate) {
        (Some(data), Some(path)) => {
            let classes = network.config.num_classes;
            let data = for_network(data, path, &labels, classes, network.activation, None)?;
            tell(&[&data]);
            Some(data)
        }
        _ => None,
    };
    let mut job = Job {
        int8: layers(&args, &network)?,
        options: CompileFlags::default().for_images(args.network.runtime.dtype, 1, &preprocessing),
        labels,
        preprocessing,
        network,
        args,
    };
    let float = resnet_cli::compile(&job.network, job.options)?;
    let examples = Examples::read(&sources, &job)?;
    let calibration = examples.calibrate(&float, job.args.method.method)?;
    let loader = data.map(|data| DataLoader::new(data, job.preprocessing).with_batch_size(8));
    let limit = job.args.network.runtime.memory.limit();
    let scores = |engine: &Engine| Scores::of(limit, engine, loader.as_ref(), &examples);
    let of_float = scores(&float)?;

    let mut network = job.quantize(&calibration)?;
    let noise = examples.noise(&float, &network)?;
    let mut engine = job.compile(&network)?;
    if job.args.fastest {
        let kept = layers::slower(&float, &engine, &examples)?;
        job.int8.retain(|key| !kept.contains(key));
        network = job.quantize(&calibration)?;
        engine = job.compile(&network)?;
    }
    let mut of_int8 = scores(&engine)?;
    let mut worst = noise.iter().map(|noise| noise.key.clone());
    while let Some(most) = job.args.max_loss
        && of_float.top1_points() - of_int8.top1_points() > most
    {
        let Some(key) = worst.find(|key| job.int8.contains(key)) else {
            break;
        };
        job.int8.remove(&key);
        network = job.quantize(&calibration)?;
        engine = job.compile(&network)?;
        of_int8 = scores(&engine)?;
    }
    drop(engine);

    job.write(&network, examples.len())?;
    let report = Report::new(&job, [of_float, of_int8], noise, &examples)?;
    report.print(job.args.json)?;
    Ok(Outcome::Done)
}

/// The validated input of the command.
struct Job {
    args: Quantize,
    network: Resolved,
    labels: Labels,
    preprocessing: Preprocessing,
    options: CompileOptions,
    /// The layers with integers.
    int8: BTreeSet<String>,
}

impl Job {
    fn quantize(&self, calibration: &resnet_engine::Calibration) -> Result<QuantizedNetwork> {
        Ok(self
            .network
            .quantize(calibration, |key| self.int8.contains(key))?)
    }

    fn compile(&self, network: &QuantizedNetwork) -> Result<Engine> {
        Ok(Engine::compile_quantized(network.clone(), self.options)?)
    }

    fn write(&self, network: &QuantizedNetwork, images: usize) -> Result<()> {
        let method = self.args.method.name.clone();
        let info = QuantizationInfo::new(network, method, images, self.network.weights.as_ref());
        let mut save = Save::default()
            .with_preprocessing(self.preprocessing)
            .with_output_activation(self.network.activation);
        if !self.labels.are_numbers() {
            save = save.with_labels(self.labels.clone());
        }
        Ok(save.quantized(network, &info, &self.args.output)?)
    }
}

/// Checks the output and the backend before the network is loaded.
fn check_output(args: &Quantize) -> Result<()> {
    let output = args.output.display();
    let ending = args.output.extension().unwrap_or_default();
    ensure!(
        ending.eq_ignore_ascii_case("safetensors"),
        "`{output}`: expected a name that ends in `.safetensors`"
    );
    let folder = args.output.parent();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    ensure!(
        folder.is_none_or(|folder| folder.is_dir()) && !args.output.is_dir(),
        "`{output}`: expected the path of a file in a folder that exists"
    );
    let selection = args.network.runtime.selection();
    ensure!(
        compiles(selection),
        "--backend: expected `cpu`, which runs quantized networks, found `{selection}`"
    );
    ensure!(
        !args.network.is_dense()?,
        "expected a classifier, found a detector or a segmentation network, which cannot be quantized"
    );
    Ok(())
}

/// Returns the layers with integers: all but those that the user keeps in floats.
fn layers(args: &Quantize, network: &Resolved) -> Result<BTreeSet<String>> {
    let mut layers: BTreeSet<_> = QuantizedNetwork::layers_of(&network.config)
        .into_iter()
        .collect();
    for key in &args.float_layers {
        if !layers.remove(key) {
            let known: Vec<_> = layers.iter().map(String::as_str).collect();
            bail!(
                "--float-layers: expected keys of convolutions or `fc`, found `{}`; the keys are {}",
                printable(key),
                known.join(", ")
            );
        }
    }
    if layers.is_empty() {
        note("--float-layers names all layers: no layer is quantized");
    }
    Ok(layers)
}
