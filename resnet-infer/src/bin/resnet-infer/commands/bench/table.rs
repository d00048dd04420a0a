//! Output of benchmark rows in one of three formats.

use std::io::{StdoutLock, Write};

use anyhow::Result;

use super::Row;

pub(super) struct Writer {
    out: StdoutLock<'static>,
    form: Form,
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Table,
    Json,
    Markdown,
}

/// The title and the width of each column.
const COLUMNS: [(&str, usize); 10] = [
    ("model", 16),
    ("backend", 10),
    ("batch", 5),
    ("median ms", 9),
    ("spread", 7),
    ("images/s", 8),
    ("GFLOP/s", 8),
    ("first ms", 9),
    ("load ms", 8),
    ("peak MB", 8),
];

impl Writer {
    pub(super) fn new(json: bool, markdown: bool) -> Result<Self> {
        let form = match (json, markdown) {
            (true, _) => Form::Json,
            (_, true) => Form::Markdown,
            _ => Form::Table,
        };
        let mut writer = Self {
            out: std::io::stdout().lock(),
            form,
        };
        if form != Form::Json {
            writer.line(COLUMNS.map(|(title, _)| title.to_string()))?;
        }
        if form == Form::Markdown {
            writeln!(writer.out, "|---|---|{}", "---:|".repeat(COLUMNS.len() - 2))?;
        }
        Ok(writer)
    }

    pub(super) fn write(&mut self, row: &Row) -> Result<()> {
        if self.form == Form::Json {
            writeln!(self.out, "{}", serde_json::to_string(row)?)?;
            return Ok(self.out.flush()?);
        }
        let fused = if row.fused { " fused" } else { "" };
        let dtype = if row.dtype == "f32" { "" } else { &row.dtype };
        self.line([
            row.model.clone(),
            format!("{} {dtype}{fused}", row.backend).trim().to_string(),
            row.batch_size.to_string(),
            format!("{:.1}", row.median_ms),
            format!("±{:.1}", row.spread_ms),
            format!("{:.1}", row.images_per_second),
            row.gflop_per_second
                .map_or("-".into(), |rate| format!("{rate:.1}")),
            format!("{:.1}", row.first_ms),
            format!("{:.1}", row.load_ms),
            row.peak_mb.map_or("-".into(), |mb| format!("{mb:.0}")),
        ])
    }

    fn line(&mut self, cells: [String; COLUMNS.len()]) -> Result<()> {
        if self.form == Form::Markdown {
            writeln!(self.out, "| {} |", cells.join(" | "))?;
            return Ok(self.out.flush()?);
        }
        for (i, (cell, (_, width))) in cells.iter().zip(COLUMNS).enumerate() {
            match i {
                0 | 1 => write!(self.out, "{cell:width$}  ")?,
                _ => write!(self.out, "{cell:>width$}  ")?,
            }
        }
        writeln!(self.out)?;
        Ok(self.out.flush()?)
    }
}
