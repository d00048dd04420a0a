//! The public interface: reads a file into a config and tensors.

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
    /// The options of the network. The graph determines all of them.
    pub config: ResNetConfig,
    /// The tensors, one for each parameter and running statistic.
    pub tensors: Vec<OnnxTensor>,
}

/// Reads the graph of an ONNX file and recognizes the network that it computes.
///
/// `content` is the whole file. It is not copied, and kept in memory until the last tensor is
/// dropped. `folder` is the folder of the file, where large networks have external data files.
/// Without a folder, a file with external data is an error.
///
/// # Errors
///
/// Returns an error if the file is damaged, if an external data file is missing, or if the graph is
/// not a residual network. The error names the node.
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

/// Reads an ONNX file like [`open`]. `read_file` returns the content of external data files.
///
/// # Errors
///
/// Returns an error under the same conditions as [`open`], and if `read_file` fails.
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
