//! Translates the parts of a network into its config and state dict. Checks every part against the
//! config.

mod attention;
mod block;
mod expect;
mod options;
mod shortcut;
mod state_dict;
mod stem;
mod writer;

use resnet_core::ResNetConfig;

use self::writer::Writer;
use crate::OnnxTensor;
use crate::recognize::Network;

/// Translates the parts of a network.
pub(crate) fn translate(network: Network<'_>) -> Result<(ResNetConfig, Vec<OnnxTensor>), String> {
    let config = options::config(&network)?;
    config.validate().map_err(|error| error.to_string())?;
    let mut writer = Writer::new(&config);
    writer.stem(network.stem)?;
    let mut blocks = network.blocks.into_iter();
    for (stage, plans) in config.plan().iter().enumerate() {
        for (index, plan) in plans.iter().enumerate() {
            let block = blocks.next().ok_or("a block is missing")?;
            writer.block(&format!("layer{}.{index}", stage + 1), block, plan)?;
        }
    }
    if let Some(norm) = &network.norm {
        writer.norm("bn1", norm)?;
    }
    if let Some(classifier) = &network.classifier {
        writer.state.dense("fc", classifier, 0);
    }
    let tensors = writer.state.tensors;
    Ok((config, tensors))
}
