//! Runs the same network compiled for the processor and on two Burn backends. A backend is a type
//! parameter.
//!
//! `cargo run --release -p resnet-infer --example switch_backend`, or with WGPU instead of Burn's
//! CPU backend Flex: `cargo run --release -p resnet-infer --features wgpu --example switch_backend`

#![expect(clippy::print_stdout, reason = "an example shows its results")]
// The types of WGPU are deeply nested.
#![recursion_limit = "256"]

use std::time::Instant;

use burn::tensor::backend::Backend;
use resnet_cpu::Cpu;
use resnet_infer::{Classifier, ClassifierBuilder, ModelSource};

#[cfg(not(feature = "wgpu"))]
type Other = burn::backend::Flex;
#[cfg(feature = "wgpu")]
type Other = burn::backend::Wgpu;

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    println!("compiled: {}", classify(&builder().load()?)?);
    println!("resnet-cpu: {}", classify(&on::<Cpu>()?)?);
    println!(
        "{}: {}",
        std::any::type_name::<Other>(),
        classify(&on::<Other>()?)?
    );
    Ok(())
}

fn builder() -> ClassifierBuilder {
    ClassifierBuilder::new(ModelSource::named("cifar_resnet20.resnet_zoo_c10"))
}

/// Loads the network on the default device of `B`.
fn on<B: Backend>() -> Result<Classifier, Error> {
    Ok(builder().load_on::<B>(&Default::default())?)
}

/// Classifies the sample image.
fn classify(classifier: &Classifier) -> Result<String, Error> {
    let photo = concat!(env!("CARGO_MANIFEST_DIR"), "/sample/chelsea.png");
    // The first run also starts threads and, on GPUs, compiles kernels.
    classifier.classify_one(photo)?;
    let start = Instant::now();
    let prediction = classifier.classify_one(photo)?;
    let guess = &prediction.top[0];
    Ok(format!(
        "{} ({:.1} %) in {:.1} ms",
        guess.label,
        100.0 * guess.probability,
        1000.0 * start.elapsed().as_secs_f64()
    ))
}
