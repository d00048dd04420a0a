//! Classifies images and prints the three most probable classes of each. A failed image does not
//! stop the others.
//!
//! `cargo run --release -p resnet-infer --example classify [IMAGE]...`

#![expect(clippy::print_stdout, reason = "an example shows its results")]

use resnet_infer::{BuildError, Classifier};

fn main() -> Result<(), BuildError> {
    let mut images: Vec<String> = std::env::args().skip(1).collect();
    if images.is_empty() {
        images.push(concat!(env!("CARGO_MANIFEST_DIR"), "/sample/chelsea.png").into());
    }
    // This network is embedded in the program. `resnet50` downloads one for ImageNet.
    let name = "cifar_resnet20.resnet_zoo_c10";
    let classifier = Classifier::pretrained(name)?;
    let classifier = classifier.with_top_k(3);
    for (image, result) in images.iter().zip(classifier.classify_iter(&images)) {
        match result {
            Ok(prediction) => {
                println!("{image}");
                for guess in prediction.top {
                    println!("  {:5.1} %  {}", 100.0 * guess.probability, guess.label);
                }
            }
            Err(error) => println!("{image}: {}", error.source),
        }
    }
    Ok(())
}
