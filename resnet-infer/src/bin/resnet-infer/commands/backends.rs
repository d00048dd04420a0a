//! `backends`: lists the backends, built in or not, and their devices on this machine.

use std::io::Write;

use anyhow::Result;
use resnet_cli::Outcome;

use crate::cli::Backends;

pub(crate) fn run(args: Backends) -> Result<Outcome> {
    let backends = resnet_backend::backends();
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&backends)?)?;
        return Ok(Outcome::Done);
    }
    for backend in &backends {
        let name = backend.name;
        if !backend.built {
            writeln!(out, "{name:12} not built in: --features {name}")?;
            continue;
        }
        let mark = if backend.default { ", the default" } else { "" };
        writeln!(out, "{name:12} {}{mark}", backend.version)?;
        for device in &backend.devices {
            writeln!(out, "  {:10} {}", device.selection, device.description)?;
        }
        if let Some(problem) = &backend.problem {
            writeln!(out, "  no device: {problem}")?;
        }
    }
    Ok(Outcome::Done)
}
