//! Computes COCO's metrics of a file of results, such as the output of `resnet-infer detect --coco`.
//!
//! `cargo run --release -p resnet-data --features annotations --example coco_metrics --
//! instances.json results.json boxes`

#![expect(clippy::print_stdout, reason = "an example shows its results")]

use std::time::Instant;

use resnet_data::coco::{CocoTask, CocoTruth};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const USAGE: &str = "usage: coco_metrics TRUTH.json RESULTS.json boxes|masks|keypoints";
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [truth, results, task] = args.as_slice() else {
        return Err(USAGE.into());
    };
    let task = match task.as_str() {
        "boxes" => CocoTask::Boxes,
        "masks" => CocoTask::Masks,
        "keypoints" => CocoTask::Keypoints,
        _ => return Err(USAGE.into()),
    };
    let start = Instant::now();
    let metrics = CocoTruth::open(truth)?.evaluate_file(results, task)?;
    for metric in &metrics.numbers {
        println!("{:10} {:.9}", metric.name, metric.value);
    }
    println!("{:.2} s", start.elapsed().as_secs_f64());
    Ok(())
}
