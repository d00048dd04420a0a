//! `preview`: a contact sheet of augmented training images.

use anyhow::Result;
use resnet_cli::{Outcome, tell_left_out, write};
use resnet_train::Task;
use resnet_train::report::{Cell, sheet};

use crate::cli::Preview;
#[cfg(not(feature = "dense"))]
use crate::commands::train::NO_DENSE;
use crate::commands::{png, train};
use crate::start::preprocessing;

pub(crate) fn run(args: Preview) -> Result<Outcome> {
    let mut config = train::config(&args.data, &args.objects, &args.optimization, None)?;
    match config.task {
        Task::Classify => {}
        #[cfg(feature = "dense")]
        _ => return super::dense::preview(&args, &config),
        #[cfg(not(feature = "dense"))]
        _ => anyhow::bail!(NO_DENSE),
    }
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
