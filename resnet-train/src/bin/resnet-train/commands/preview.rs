//! `preview`: a contact sheet of augmented training images.

use anyhow::Result;
use resnet_cli::{Outcome, tell_left_out, write};
use resnet_train::report::{Cell, sheet};

use crate::cli::Preview;
use crate::commands::png;
use crate::start::preprocessing;

pub(crate) fn run(args: Preview) -> Result<Outcome> {
    let mut config = args.optimization.config(&args.data.data, None)?;
    config.batch_size = args.count;
    let [train, valid] = args.data.open(config.split, config.seed)?;
    let classes = train.classes().to_vec();
    let preprocessing = preprocessing(&config)?;
    let fit = config.fit([train, valid], preprocessing)?;
    let batch = fit.train.epoch(0)?.next().unwrap_or_default();
    batch.bad.iter().for_each(tell_left_out);
    let cells: Vec<Cell> = (0..batch.images.len())
        .map(|place| Cell {
            image: batch.preview(place),
            lines: caption(&batch.targets[place], &classes),
        })
        .collect();
    write(&args.output, &png(&sheet(&cells, args.columns))?)?;
    Ok(Outcome::of(!batch.bad.is_empty()))
}

/// Returns the caption of an image: its classes, with their shares if mixup or CutMix mixed it.
fn caption(target: &[f32], classes: &[String]) -> Vec<String> {
    let mut shares: Vec<_> = target
        .iter()
        .zip(classes)
        .filter(|(share, _)| **share > 0.005)
        .collect();
    shares.sort_by(|a, b| b.0.total_cmp(a.0));
    let word = |(&share, name): (&f32, &String)| match share {
        share if share > 0.995 => name.clone(),
        share => format!("{:.0} % {name}", 100.0 * share),
    };
    shares.into_iter().take(2).map(word).collect()
}
