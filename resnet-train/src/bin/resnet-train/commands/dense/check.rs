//! Refuses the options that detectors and segmentation networks do not use.

use anyhow::{Result, ensure};
use resnet_cli::note;
use resnet_data::DataOptions;
use resnet_dense::DenseConfig;
use resnet_train::dense::SegmentationTask;
use resnet_train::{Config, Task};

use super::Data;
use crate::cli::{self, task_name};

/// Checks that a run uses every option that the flags and the recipe set.
pub(super) fn options(args: &cli::Run, config: &Config) -> Result<()> {
    ensure!(
        args.processes.ranks.is_none(),
        "--ranks: expected a classifier; detectors and segmentation networks train in one process"
    );
    ensure!(
        config.head.is_none(),
        "`head`: expected none; use `groups.freeze-to` to train only the layers after the residual network"
    );
    let usual = Config::default();
    let table = args.data.flags.options() != DataOptions::default();
    let segments = config.task == Task::Segment;
    let loads = config.model.is_some() || config.weights.is_some();
    let of_classifiers = [
        ("--path-column, --label-column, --layout", table),
        ("--images-per-class", args.data.images_per_class.is_some()),
        ("`accumulate`", config.accumulate != usual.accumulate),
        (
            "`class-weights`",
            config.class_weights != usual.class_weights,
        ),
        ("`loss`", config.loss != usual.loss),
        ("`smoothing`", config.smoothing != usual.smoothing),
        ("`drop-path`", config.drop_path != usual.drop_path),
        ("`sampling`", config.sampling != usual.sampling),
        ("`augment`", config.augment != usual.augment),
        ("`train-size`", config.train_size.is_some()),
    ];
    let of_other_tasks = [
        (
            "`size`",
            config.size.is_some() && !segments,
            "--set min_size=N",
        ),
        (
            "`input`",
            config.input.is_some() && !segments,
            "--set image_mean and image_std",
        ),
        (
            "`body`",
            config.body.is_some() && loads,
            "a network from scratch (`arch`)",
        ),
        (
            "`backbone`",
            config.backbone.is_some() && loads,
            "a network from scratch (`arch`)",
        ),
    ];
    let of_classifiers = of_classifiers.map(|(name, is_set)| (name, is_set, "a classifier"));
    let unused = of_classifiers.into_iter().chain(of_other_tasks);
    for (name, is_set, expected) in unused {
        ensure!(
            !is_set,
            "{name}: has no effect in this run of --task {}; expected {expected}",
            task_name(config.task)
        );
    }
    Ok(())
}

/// Checks the augmentation, and that the batches are large enough for the norms of a network.
pub(super) fn data(data: &Data, config: &Config, network: &DenseConfig) -> Result<()> {
    let usual = Config::default();
    match data {
        Data::Objects(_) => ensure!(
            config.class_maps == usual.class_maps,
            "`class-maps`: expected `objects`, the augmentation of detection"
        ),
        Data::ClassMaps(_) => ensure!(
            config.objects == usual.objects,
            "`objects`: expected `class-maps`, the augmentation of segmentation"
        ),
    }
    match (data, network) {
        (Data::ClassMaps([train, _]), DenseConfig::Segmentation(network)) => {
            let crop = config.class_maps.crop;
            let least = SegmentationTask::least_images(network, config.norms, crop);
            let found = config.batch_size.min(train.len());
            ensure!(
                found >= least,
                "expected {least} training images or more in a batch, found {found}: batch norm needs \
                 two values per channel; use a larger --batch-size, more images, or running \
                 statistics (norms = \"eval\")"
            );
        }
        (Data::Objects([train, _]), _) => {
            if let (Some(jitter), DenseConfig::Detection(network)) =
                (config.objects.scale_jitter, network)
            {
                let [side, most] = [
                    jitter.size[0].max(jitter.size[1]) as usize,
                    network.transform().max_size,
                ];
                ensure!(
                    side <= most,
                    "`objects.scale-jitter`: expected a size of at most {most} pixels, the `max_size` of \
                     the network, found {side}; raise it with --set max_size={side}"
                );
            }
            let points = train.keypoints();
            if config.task == Task::Keypoints && config.objects.flip > 0.0 && !points.has_pairs() {
                note(
                    "no keypoint is named `left` or `right`, so flips exchange none; use \
                     `objects.flip = 0` if left and right differ",
                );
            }
        }
        _ => {}
    }
    Ok(())
}
