//! Predictions on standard output, progress on standard error.

pub(crate) mod coco;
mod line;
pub(crate) mod objects;
pub(crate) mod pixels;

use std::io::{self, IsTerminal, StdoutLock, Write};

use anyhow::{Error, Result};
use resnet_cli::{ProgressBar, bar, cell, flags, json, keep_ticking, printable};
use resnet_infer::{ClassScore, OutputActivation, Prediction};
use serde::Serialize;

use crate::cli::Classify;
use crate::images::Source;

/// Creates a progress bar on standard error, hidden for short lists and without a terminal.
pub(crate) fn progress(images: usize) -> ProgressBar {
    const LONG: usize = 32;
    if images < LONG || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = bar(images, "{bar:30} {pos}/{len} images, {per_sec}, {eta} left");
    keep_ticking(&bar);
    bar
}

/// A writer of predictions in one of three formats, one image at a time.
pub(crate) enum Writer<'a> {
    /// Aligned columns.
    Table {
        out: StdoutLock<'static>,
        width: usize,
    },
    /// JSON Lines, one object per image.
    Json {
        out: StdoutLock<'static>,
        model: &'a str,
        activation: OutputActivation,
    },
    /// A header, and one row per class.
    Csv(csv::Writer<StdoutLock<'static>>),
}

/// A line of `--json`: the predictions of an image or its error.
#[derive(Serialize)]
struct Line<'a> {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    /// The output activation of the probabilities.
    #[serde(skip_serializing_if = "Option::is_none")]
    activation: Option<OutputActivation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    predictions: Option<&'a [ClassScore]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(
        args: &Classify,
        model: &'a str,
        activation: OutputActivation,
        sources: &[Source],
    ) -> Result<Self> {
        let out = io::stdout().lock();
        if args.json {
            return Ok(Self::Json {
                out,
                model,
                activation,
            });
        }
        if args.csv {
            let mut writer = csv::Writer::from_writer(out);
            writer.write_record(["path", "rank", "class", "label", "probability", "error"])?;
            return Ok(Self::Csv(writer));
        }
        let width = widest(sources);
        Ok(Self::Table { out, width })
    }

    pub(crate) fn write(&mut self, source: &Source, prediction: Result<Prediction>) -> Result<()> {
        match self {
            Self::Table { out, width } => table(out, *width, source, &prediction)?,
            Self::Json {
                out,
                model,
                activation,
            } => {
                let line = Line {
                    path: source.to_string(),
                    model: prediction.is_ok().then_some(model),
                    activation: prediction.is_ok().then_some(*activation),
                    predictions: prediction
                        .as_ref()
                        .ok()
                        .map(|prediction| prediction.top.as_slice()),
                    error: prediction.as_ref().err().map(reason),
                };
                writeln!(out, "{}", json(&line)?)?;
                out.flush()?;
            }
            Self::Csv(writer) => rows(writer, source, &prediction)?,
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<()> {
        match self {
            Self::Table { mut out, .. } | Self::Json { mut out, .. } => out.flush()?,
            Self::Csv(mut writer) => writer.flush()?,
        }
        Ok(())
    }
}

/// Returns the width of the widest path.
fn widest(sources: &[Source]) -> usize {
    let paths = sources
        .iter()
        .map(|source| printable(&source.to_string()).chars().count());
    paths.max().unwrap_or(0)
}

/// Returns the error of an image in one line, with flags in place of function names.
fn reason(error: &Error) -> String {
    flags(&format!("{error:#}")).into_owned()
}

fn table(
    out: &mut impl Write,
    width: usize,
    source: &Source,
    prediction: &Result<Prediction>,
) -> Result<()> {
    let mut path = printable(&source.to_string());
    match prediction {
        Ok(prediction) => {
            if prediction.top.is_empty() {
                writeln!(out, "{path:width$}  none above the threshold")?;
            }
            for guess in &prediction.top {
                writeln!(
                    out,
                    "{path:width$}  {:5.1} %  {}",
                    100.0 * guess.probability,
                    printable(&guess.label)
                )?;
                path.clear();
            }
        }
        Err(error) => writeln!(out, "{path:width$}  failed: {}", printable(&reason(error)))?,
    }
    out.flush()?;
    Ok(())
}

fn rows<W: Write>(
    writer: &mut csv::Writer<W>,
    source: &Source,
    prediction: &Result<Prediction>,
) -> Result<()> {
    let path = cell(&source.to_string());
    match prediction {
        Ok(prediction) => {
            if prediction.top.is_empty() {
                writer.write_record([&path, "", "", "", "", ""])?;
            }
            for (i, guess) in prediction.top.iter().enumerate() {
                let ClassScore {
                    class,
                    label,
                    probability,
                } = guess;
                writer.write_record([
                    &path,
                    &(i + 1).to_string(),
                    &class.to_string(),
                    &cell(label),
                    &probability.to_string(),
                    "",
                ])?;
            }
        }
        Err(error) => writer.write_record([&path, "", "", "", "", &cell(&reason(error))])?,
    }
    writer.flush()?;
    Ok(())
}
