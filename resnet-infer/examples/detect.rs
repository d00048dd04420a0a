//! Detects objects in an image with the embedded Mask R-CNN and saves a drawing.
//!
//! `cargo run --release -p resnet-infer --example detect -- IMAGE` uses your image. Replace
//! `maskrcnn_scenes` by `maskrcnn_resnet50_fpn` to find the 80 classes of COCO.

#![expect(clippy::print_stdout, reason = "an example shows its results")]

use resnet_cpu::Cpu;
use resnet_infer::Detector;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/sample/scene.png");
    let path = std::env::args().nth(1).unwrap_or(sample.into());
    let detector: Detector<Cpu> = Detector::pretrained("maskrcnn_scenes", &Default::default())?;
    let image = resnet_image::open(path)?;
    let found = detector.with_score(0.8).detect_one(&image)?;
    for object in &found.objects {
        println!("{:.2} {} {:?}", object.score, object.label, object.bounds);
    }
    let file = std::env::temp_dir().join(format!("detect-{}.png", std::process::id()));
    found.draw(&image).save(&file)?;
    println!("the drawing is `{}`", file.display());
    Ok(())
}
