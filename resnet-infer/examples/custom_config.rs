//! Configures a custom network, computes its parameters, operations and memory, and saves the
//! config as JSON.
//!
//! `cargo run --release -p resnet-infer --example custom_config`

#![expect(clippy::print_stdout, reason = "an example shows its results")]

use burn::config::Config;
use burn::tensor::Tensor;
use resnet_core::{
    Activation, AttentionKind, BlockKind, Network, ResNet, ResNetConfig, ShortcutKind, StageConfig,
    StemKind,
};
use resnet_cpu::Cpu;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Three stages of bottleneck blocks for grayscale images, with a deep stem and
    // squeeze-and-excitation.
    let stage = |depth, width| StageConfig {
        block: BlockKind::Bottleneck,
        depth,
        width,
    };
    let config = ResNetConfig::new(vec![stage(2, 32), stage(3, 64), stage(2, 128)])
        .with_stem(StemKind::Deep { width: 16 })
        .with_shortcut(ShortcutKind::AvgPoolProjection)
        .with_attention(AttentionKind::SqueezeExcite { ratio: 0.25 })
        .with_activation(Activation::Silu)
        .with_in_channels(1)
        .with_num_classes(5);
    config.validate()?;

    let cost = config.cost([128, 128]);
    println!("{} parameters", cost.parameters);
    println!(
        "{:.1} million multiply-adds for 128x128 pixels",
        cost.macs as f64 / 1e6
    );
    let bytes = config.inference_bytes(8, [128, 128]);
    println!(
        "about {:.1} MB of feature maps for a batch of 8",
        bytes as f64 / 1e6
    );

    let json = config.to_string();
    println!("{json}");
    let again = ResNetConfig::load_binary(json.as_bytes())?;
    assert_eq!(again, config);
    // Missing options have default values; an unknown option is an error.
    let error = ResNetConfig::load_binary(br#"{"stages": [], "stemm": null}"#).unwrap_err();
    println!("a misspelled option: {error}");

    let device = Default::default();
    let model: ResNet<Cpu> = again.init(&device);
    let logits = model.forward(Tensor::ones([1, 1, 128, 128], &device));
    let parameters = model.num_parameters();
    println!("{parameters} parameters, logits {:?}", logits.dims());
    Ok(())
}
