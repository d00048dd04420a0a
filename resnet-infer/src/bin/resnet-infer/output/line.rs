//! Lines of `--json` for detections and class maps.

use std::io::{StdoutLock, Write};

use anyhow::Result;
use resnet_cli::json;
use serde::Serialize;

use super::reason;
use crate::images::Source;

/// The result of an image or its error.
#[derive(Serialize)]
struct Line<'a, T> {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    found: Option<&'a T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Writes the line of an image.
pub(super) fn write<T: Serialize>(
    out: &mut StdoutLock<'_>,
    source: &Source,
    model: &str,
    found: &Result<T>,
) -> Result<()> {
    let line = Line {
        path: source.to_string(),
        model: found.is_ok().then_some(model),
        found: found.as_ref().ok(),
        error: found.as_ref().err().map(reason),
    };
    writeln!(out, "{}", json(&line)?)?;
    out.flush()?;
    Ok(())
}
