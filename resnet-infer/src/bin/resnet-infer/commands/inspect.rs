//! `inspect`: shows a checkpoint's format, tensors and architecture.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use resnet_cli::{Outcome, flags, printable};
use resnet_weights::{Checkpoint, Entry, OutputActivation, Overrides};
use serde::Serialize;

use crate::cli::Inspect;

/// The output of `--json`.
#[derive(Default, Serialize)]
struct Summary {
    file: String,
    container: String,
    /// The key path of the state dict; `.` for the whole file.
    state: Option<String>,
    /// The key paths of all state dicts in the file.
    states: Vec<String>,
    /// Keys that do not belong to the network.
    left_out: Vec<String>,
    /// The options that the keys do not determine, with the assumed values.
    assumptions: Vec<Assumed>,
    /// The output activation, if the file states it.
    output_activation: Option<OutputActivation>,
    /// Whether the file contains class names.
    names_classes: bool,
    /// Whether the file contains the preprocessing.
    tells_preprocessing: bool,
    /// How the network was quantized, if it was.
    quantized: Option<String>,
    /// Numbers of tensors and elements by data type.
    dtypes: BTreeMap<String, Dtype>,
    /// What the network does.
    task: &'static str,
    /// Notes about how the file is read.
    notes: Vec<String>,
    /// The name of the architecture; `None` for a custom network or an unknown file (see `unknown`).
    architecture: Option<String>,
    /// Architectures with the same keys and shapes.
    alternatives: Vec<&'static str>,
    classes: Option<usize>,
    in_channels: Option<usize>,
    /// The reason why no architecture can be inferred.
    unknown: Option<String>,
    tensors: Vec<TensorLine>,
}

#[derive(Serialize)]
struct Assumed {
    option: &'static str,
    assumed: String,
    otherwise: String,
}

#[derive(Default, Serialize)]
struct Dtype {
    tensors: usize,
    elements: usize,
}

#[derive(Serialize)]
struct TensorLine {
    key: String,
    dtype: String,
    shape: Vec<usize>,
}

impl Summary {
    fn new(checkpoint: &Checkpoint, overrides: &Overrides) -> Self {
        // What the file contains as a classifier does not matter for other networks.
        if let Ok(dense) = checkpoint.infer_dense() {
            return Self {
                task: match dense.config.is_detector() {
                    true => "detection",
                    false => "segmentation",
                },
                notes: dense.notes,
                architecture: dense.arch.map(|arch| arch.name().to_string()),
                classes: Some(dense.config.num_classes()),
                in_channels: Some(dense.config.body().in_channels),
                ..Self::of_any(checkpoint, checkpoint.dense_entries())
            };
        }
        let (inferred, unknown) = match checkpoint.infer_with(overrides) {
            Ok(inferred) => (Some(inferred), None),
            Err(error) => {
                let message = error.to_string();
                let file = format!("`{}`: ", checkpoint.name());
                let cause = message.strip_prefix(&file).unwrap_or(&message);
                (None, Some(flags(cause).into_owned()))
            }
        };
        let assumptions = inferred.iter().flat_map(|inferred| &inferred.assumptions);
        let config = inferred.as_ref().map(|inferred| &inferred.config);
        Self {
            left_out: checkpoint.left_out().to_vec(),
            assumptions: assumptions
                .map(|assumption| Assumed {
                    option: assumption.option,
                    assumed: assumption.assumed.clone(),
                    otherwise: flags(&assumption.otherwise).into_owned(),
                })
                .collect(),
            output_activation: checkpoint.output_activation(),
            notes: checkpoint.notes(),
            classes: config.map(|config| config.num_classes),
            in_channels: config.map(|config| config.in_channels),
            alternatives: inferred
                .iter()
                .flat_map(|i| &i.alternatives)
                .map(|arch| arch.name())
                .collect(),
            architecture: inferred.and_then(|inferred| inferred.name),
            unknown,
            ..Self::of_any(checkpoint, checkpoint.entries())
        }
    }

    /// Describes the file and the tensors of the network.
    fn of_any<'a>(checkpoint: &Checkpoint, entries: impl Iterator<Item = &'a Entry>) -> Self {
        let mut dtypes: BTreeMap<String, Dtype> = BTreeMap::new();
        let mut tensors = Vec::new();
        for entry in entries {
            let dtype = dtypes.entry(entry.dtype().to_string()).or_default();
            dtype.tensors += 1;
            dtype.elements += entry.shape().iter().product::<usize>();
            tensors.push(TensorLine {
                key: entry.key().to_string(),
                dtype: entry.dtype().to_string(),
                shape: entry.shape().to_vec(),
            });
        }
        Self {
            file: checkpoint.name().to_string(),
            container: checkpoint.container().to_string(),
            state: checkpoint.state().map(str::to_string),
            states: checkpoint.states().map(str::to_string).collect(),
            task: "classification",
            names_classes: checkpoint.labels().is_some(),
            tells_preprocessing: checkpoint.preprocessing().is_some(),
            quantized: quantized(checkpoint),
            dtypes,
            tensors,
            ..Self::default()
        }
    }
}

/// Describes the quantization of a file.
fn quantized(checkpoint: &Checkpoint) -> Option<String> {
    let Some(info) = checkpoint.quantization() else {
        let by_pytorch = "weights and activations of 8 bits, by PyTorch".to_string();
        return checkpoint.is_quantized().then_some(by_pytorch);
    };
    let source = match (&info.weights, &info.license) {
        (Some(id), Some(license)) => format!(", from {id} ({license})"),
        _ => String::new(),
    };
    Some(format!(
        "weights and activations of 8 bits, calibration {} on {} images{source}",
        info.calibration, info.images
    ))
}

pub(crate) fn run(args: Inspect) -> Result<Outcome> {
    let checkpoint = args.options.open(&args.file)?;
    let summary = Summary::new(&checkpoint, &args.options.overrides()?);
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&summary)?)?;
        return Ok(Outcome::Done);
    }
    writeln!(out, "file          {}", printable(&summary.file))?;
    writeln!(out, "container     {}", summary.container)?;
    if summary.states.len() > 1 {
        let states = printable(&summary.states.join(", "));
        writeln!(out, "networks      {states}")?;
    }
    if let Some(state) = summary.state.as_ref().filter(|state| *state != ".") {
        writeln!(out, "state         {}", printable(state))?;
    }
    for note in &summary.notes {
        writeln!(out, "note          {}", printable(&flags(note)))?;
    }
    if let Some(text) = &summary.quantized {
        writeln!(out, "quantized     {}", printable(text))?;
    }
    for (dtype, Dtype { tensors, elements }) in &summary.dtypes {
        writeln!(out, "{dtype:13} {tensors} tensors, {elements} elements")?;
    }
    match (&summary.architecture, &summary.unknown) {
        (Some(architecture), _) => {
            write!(out, "architecture  {architecture}")?;
            if !summary.alternatives.is_empty() {
                write!(
                    out,
                    " (or, with the same keys: {})",
                    summary.alternatives.join(", ")
                )?;
            }
            writeln!(out)?;
        }
        (None, None) => {
            let network = match summary.task {
                "classification" => "residual network",
                "detection" => "detector",
                _ => "segmentation network",
            };
            writeln!(out, "architecture  a custom {network} (no name)")?;
        }
        (None, unknown) => {
            writeln!(
                out,
                "architecture  unknown: {}",
                printable(unknown.as_deref().unwrap_or_default())
            )?;
        }
    }
    if let (Some(classes), Some(channels)) = (summary.classes, summary.in_channels) {
        writeln!(out, "classes       {classes}")?;
        writeln!(out, "in channels   {channels}")?;
    }
    let named = summary.architecture.is_some() || summary.unknown.is_none();
    if named && summary.task == "classification" {
        assumptions(&mut out, &summary)?;
    }
    Ok(Outcome::Done)
}

/// Prints the assumptions about options, output activation, class names and preprocessing.
fn assumptions(out: &mut impl Write, summary: &Summary) -> Result<()> {
    let mut head = "assumed";
    let mut line = |text: String| {
        let written = writeln!(out, "{head:13} {text}");
        head = "";
        written
    };
    for Assumed {
        option,
        assumed,
        otherwise,
    } in &summary.assumptions
    {
        line(format!("{option}={assumed} (else {otherwise})"))?;
    }
    if summary.classes.is_some_and(|classes| classes > 0) {
        match summary.output_activation {
            Some(activation) => line(format!("{activation} of the logits, from the file"))?,
            None => line("softmax of the logits (else `--activation sigmoid`)".into())?,
        }
        if !summary.names_classes {
            line("no class names (else `--labels FILE`)".into())?;
        }
    }
    if !summary.tells_preprocessing {
        line("default preprocessing (else `--resize`, `--crop`, `--mean`, `--std`)".into())?;
    }
    Ok(())
}
