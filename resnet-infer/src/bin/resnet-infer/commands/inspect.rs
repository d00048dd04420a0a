use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use resnet_weights::Checkpoint;
use serde::Serialize;

use crate::cli::Inspect;
use resnet_infer::command::Outcome;

/// What `--json` writes.
#[derive(Serialize)]
struct Summary {
    file: String,
    container: String,
    /// What the tensors were nested under.
    prefix: Option<String>,
    /// Elements of all tensors by type.
    dtypes: BTreeMap<String, Dtype>,
    /// Its name; none for a residual network without one, and for other files (see `unknown`).
    architecture: Option<String>,
    /// Architectures with the same keys and shapes.
    alternatives: Vec<&'static str>,
    classes: Option<usize>,
    in_channels: Option<usize>,
    /// Why no architecture could be told.
    unknown: Option<String>,
    tensors: Vec<TensorLine>,
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
    fn new(checkpoint: &Checkpoint) -> Self {
        let mut dtypes: BTreeMap<String, Dtype> = BTreeMap::new();
        for entry in checkpoint.entries() {
            let dtype = dtypes.entry(entry.dtype().to_string()).or_default();
            dtype.tensors += 1;
            dtype.elements += entry.shape().iter().product::<usize>();
        }
        let tensors = checkpoint.entries().map(|entry| TensorLine {
            key: entry.key().to_string(),
            dtype: entry.dtype().to_string(),
            shape: entry.shape().to_vec(),
        });
        let (inferred, unknown) = match checkpoint.infer() {
            Ok(inferred) => (Some(inferred), None),
            Err(error) => (None, Some(error.cause)),
        };
        let config = inferred.as_ref().map(|inferred| &inferred.config);
        Self {
            file: checkpoint.name().to_string(),
            container: checkpoint.container().to_string(),
            prefix: checkpoint.prefix().map(str::to_string),
            dtypes,
            classes: config.map(|config| config.num_classes),
            in_channels: config.map(|config| config.in_channels),
            alternatives: inferred
                .iter()
                .flat_map(|i| &i.alternatives)
                .map(|arch| arch.name())
                .collect(),
            architecture: inferred.and_then(|inferred| inferred.name),
            unknown,
            tensors: tensors.collect(),
        }
    }
}

pub(crate) fn run(args: Inspect) -> Result<Outcome> {
    let summary = Summary::new(&Checkpoint::open(&args.file)?);
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&summary)?)?;
        return Ok(Outcome::Done);
    }
    writeln!(out, "file          {}", summary.file)?;
    writeln!(out, "container     {}", summary.container)?;
    if let Some(prefix) = &summary.prefix {
        writeln!(out, "nested under  {prefix}")?;
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
        (None, None) => writeln!(out, "architecture  a residual network without a name")?,
        (None, unknown) => {
            writeln!(
                out,
                "architecture  unknown: {}",
                unknown.as_deref().unwrap_or_default()
            )?;
        }
    }
    if let (Some(classes), Some(channels)) = (summary.classes, summary.in_channels) {
        writeln!(out, "classes       {classes}")?;
        writeln!(out, "in channels   {channels}")?;
    }
    Ok(Outcome::Done)
}
