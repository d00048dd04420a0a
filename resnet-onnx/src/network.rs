//! The public interface: from the content of a file to a config and tensors.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use resnet_core::ResNetConfig;

use crate::graph::{self, External};
use crate::{OnnxError, OnnxTensor, recognize, translate};

/// The network that an ONNX file computes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OnnxNetwork {
    /// Its options, all of which the graph shows.
    pub config: ResNetConfig,
    /// Its tensors, one for each parameter and running statistic of the config.
    pub tensors: Vec<OnnxTensor>,
}

/// Reads the graph of an ONNX file and recognizes the network that it computes.
///
/// `content` is the whole file. It is kept, not copied, until the last tensor is dropped. `folder` is where the file lies: large
/// networks keep their weights in other files beside it. Without a folder such a file is refused.
///
/// # Errors
///
/// If the file is damaged, lacks a file beside it, or holds no residual network. The error names the node.
pub fn open(
    content: impl AsRef<[u8]> + Send + 'static,
    folder: Option<&Path>,
) -> Result<OnnxNetwork, OnnxError> {
    let read_file = |mut file: File| {
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        Ok(content)
    };
    open_with(content, folder, read_file)
}

/// Reads an ONNX file as [`open`] does; `read_file` gives the content of the files beside it.
///
/// # Errors
///
/// As [`open`], and if `read_file` fails.
pub fn open_with<C, D>(
    content: C,
    folder: Option<&Path>,
    read_file: impl Fn(File) -> io::Result<D>,
) -> Result<OnnxNetwork, OnnxError>
where
    C: AsRef<[u8]> + Send + 'static,
    D: AsRef<[u8]> + Send + 'static,
{
    let read_file = |file| read_file(file).map(Bytes::from_owner);
    let mut external = External::new(folder, &read_file);
    let graph = graph::read(Bytes::from_owner(content), &mut external)?;
    let network = recognize::network(&graph).map_err(OnnxError::unknown)?;
    let (config, tensors) = translate::translate(network).map_err(OnnxError::unknown)?;
    Ok(OnnxNetwork { config, tensors })
}
