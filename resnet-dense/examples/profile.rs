//! Prints the time of each stage of a Mask R-CNN on `cpu`, for the performance page of the book.
//!
//! `cargo run --release -p resnet-dense --example profile`

#![expect(clippy::print_stdout, reason = "an example shows its results")]

use std::time::Instant;

use burn::tensor::backend::Backend;
use resnet_core::Network;
use resnet_cpu::Cpu;
use resnet_dense::ops::rle::Rle;
use resnet_dense::ops::roi_align::Roi;
use resnet_dense::{Detections, ImageTensor, Rcnn, RcnnConfig};

const RUNS: usize = 5;
/// Height and width of the image in pixels.
const SIZE: [usize; 2] = [800, 1066];

/// The stages whose work is on the host: selection, NMS and encoding.
const POST_PROCESSING: [&str; 3] = ["proposals", "box selection", "mask encoding"];

fn main() {
    let device = Default::default();
    let mut config = RcnnConfig::faster_rcnn_resnet50(91).with_masks();
    // Keeps 100 boxes of a network with random weights.
    config.box_score_thresh = 0.0;
    let network = config.init::<Cpu>(&device).fuse();
    let bytes = (0..SIZE[0] * SIZE[1] * 3).map(|i| (i * 31 % 251) as u8);
    let image = ImageTensor::from_bytes(SIZE, bytes.collect());

    let mut runs: Vec<Vec<(&str, f64)>> = (0..=RUNS)
        .map(|_| stages(&network, &image, &device))
        .collect();
    runs.remove(0);
    let median = |stage: usize| {
        let mut times: Vec<f64> = runs.iter().map(|run| run[stage].1).collect();
        times.sort_by(f64::total_cmp);
        times[RUNS / 2]
    };
    let names = runs[0].iter().map(|(name, _)| *name).enumerate();
    let times: Vec<(&str, f64)> = names.map(|(stage, name)| (name, median(stage))).collect();
    let total: f64 = times.iter().map(|(_, time)| time).sum();
    for (name, time) in &times {
        println!("{name:22} {time:8.1} ms {:5.1} %", 100.0 * time / total);
    }
    let post = times
        .iter()
        .filter(|(name, _)| POST_PROCESSING.contains(name));
    let post: f64 = post.map(|(_, time)| time).sum();
    println!("{:22} {total:8.1} ms", "all");
    println!(
        "{:22} {post:8.1} ms {:5.1} %",
        "post-processing",
        100.0 * post / total
    );
}

/// Detects objects in an image, and returns the time of each stage in milliseconds.
fn stages<B: Backend>(
    network: &Rcnn<B>,
    image: &ImageTensor,
    device: &B::Device,
) -> Vec<(&'static str, f64)> {
    let mut times = Vec::new();
    let mut start = Instant::now();
    let mut lap = |name| {
        times.push((name, 1000.0 * start.elapsed().as_secs_f64()));
        start = Instant::now();
    };
    let batch = network
        .config()
        .transform
        .forward::<B>(std::slice::from_ref(image), device);
    lap("preprocessing");
    let stages = network.backbone().forward_body(batch.images.clone());
    lap("residual network");
    let maps = network.backbone().forward_fpn(stages);
    lap("feature pyramid");
    network.rpn().forward(&maps);
    lap("RPN head");
    let proposals = network.propose(&maps, &batch);
    lap("proposals");
    let rois = proposals.iter().enumerate().flat_map(|(image, found)| {
        found.iter().map(move |proposal| Roi {
            image,
            corners: proposal.corners,
        })
    });
    let rois: Vec<Roi> = rois.collect();
    let pooled = network.roi_heads().pool_boxes(&maps, &rois, SIZE[0]);
    lap("RoIAlign of boxes");
    let hidden = network.roi_heads().forward_box_head(pooled);
    network.roi_heads().predict_boxes(hidden);
    lap("box head");
    let boxes = network.detect_boxes(&maps, &proposals, &batch);
    lap("box selection");
    let found: Vec<Detections> = network.finish(&maps, boxes, &batch);
    lap("mask head");
    let masks = found.into_iter().flatten().filter_map(|object| object.mask);
    let masks: Vec<_> = masks.collect();
    Rle::of_boxes(&masks, 0.5);
    lap("mask encoding");
    // These two stages repeat earlier ones.
    let time = |name: &str| -> f64 {
        let named = times.iter().filter(|(other, _)| *other == name);
        named.map(|(_, time)| time).sum()
    };
    let repeated = [
        ("proposals", time("RPN head")),
        (
            "box selection",
            time("RoIAlign of boxes") + time("box head"),
        ),
    ];
    for (name, time) in repeated {
        let stage = times.iter_mut().find(|(other, _)| *other == name);
        stage.into_iter().for_each(|stage| stage.1 -= time);
    }
    times
}
