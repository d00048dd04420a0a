//! `evaluate`: accuracy of a classifier, COCO's metrics of a detector, or the IoU of a segmentation
//! network.

mod objects;
mod pixels;

use anyhow::{Result, bail, ensure};
use resnet_cli::{Outcome, PreprocessingFlags};
use resnet_dense::DenseConfig;

use crate::cli::EvaluateAny;

pub(crate) fn run(args: EvaluateAny, offline: bool) -> Result<Outcome> {
    if !args.classifier.network.is_dense()? {
        return match (&args.annotations, &args.masks) {
            (None, None) => resnet_cli::evaluate(args.classifier, offline),
            _ => bail!(
                "--annotations and --masks: expected a detector or a segmentation network, found a \
                 classifier"
            ),
        };
    }
    resnet_cli::check_f32(args.classifier.network.runtime)?;
    args.classifier.check_dense()?;
    let network = args.classifier.network.resolve_dense(offline)?;
    match (
        &network.config,
        args.annotations.clone(),
        args.masks.clone(),
    ) {
        (DenseConfig::Detection(_), Some(file), None) => {
            ensure!(
                args.classifier.preprocessing == PreprocessingFlags::default(),
                "--resize, --crop, --filter, --mean and --std: expected a classifier or a \
                 segmentation network; for detectors use --set min_size, image_mean and image_std"
            );
            objects::run(args, &file, network)
        }
        (DenseConfig::Segmentation(_), None, Some(folder)) => pixels::run(args, &folder, network),
        (DenseConfig::Detection(_), ..) => bail!(
            "`{}` is a detector: pass its ground truth with `--annotations FILE`",
            network.name
        ),
        (DenseConfig::Segmentation(_), ..) => bail!(
            "`{}` is a segmentation network: pass its ground truth with `--masks DIR`",
            network.name
        ),
    }
}
