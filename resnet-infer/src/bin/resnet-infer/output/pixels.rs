//! Classes of pixels on standard output.

use std::io::{self, StdoutLock, Write};

use anyhow::Result;
use resnet_cli::{json, printable};
use resnet_infer::ImageSegmentation;
use serde::Serialize;

use super::reason;
use crate::cli::Segment;
use crate::images::Source;

/// A writer of the classes of each image, in one of two formats.
pub(crate) struct Writer<'a> {
    out: StdoutLock<'static>,
    json: bool,
    model: &'a str,
    width: usize,
}

#[derive(Serialize)]
struct Line<'a> {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    found: Option<&'a ImageSegmentation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(args: &Segment, model: &'a str, sources: &[Source]) -> Self {
        Self {
            out: io::stdout().lock(),
            json: args.json,
            model,
            width: super::widest(sources),
        }
    }

    pub(crate) fn write(
        &mut self,
        source: &Source,
        found: Result<ImageSegmentation>,
    ) -> Result<()> {
        let error = found.as_ref().err().map(reason);
        if self.json {
            let line = Line {
                path: source.to_string(),
                model: found.is_ok().then_some(self.model),
                found: found.as_ref().ok(),
                error,
            };
            writeln!(self.out, "{}", json(&line)?)?;
            self.out.flush()?;
            return Ok(());
        }
        let (mut path, width) = (printable(&source.to_string()), self.width);
        if let Some(error) = error {
            writeln!(self.out, "{path:width$}  failed: {}", printable(&error))?;
        }
        for class in found.iter().flat_map(|found| &found.classes) {
            let share = 100.0 * class.share;
            writeln!(
                self.out,
                "{path:width$}  {share:5.1} %  {}",
                printable(&class.label)
            )?;
            path.clear();
        }
        self.out.flush()?;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        self.out.flush()?;
        Ok(())
    }
}
