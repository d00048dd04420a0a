//! The feature `onnx`.

mod attention;
mod blocks;
mod constant;
mod conv;
mod expect;
mod external;
mod fold;
mod gate;
mod graph;
mod head;
mod layout;
mod network;
mod node;
mod norm;
mod options;
mod pad;
mod pool;
mod shapes;
mod tensors;
mod translate;
mod walk;
mod wire;

use std::path::Path;

use bytes::Bytes;
use onnx_ir::ModelProto;
use protobuf::Message;

use self::external::External;
use self::graph::Graph;
pub(crate) use self::tensors::Tensors;
use self::wire::Refusal;
use super::Opened;
use crate::ReadError;
use crate::read::Content;

/// Why a file is not read.
enum Cause {
    Damaged(String),
    External { data: String, cause: String },
    Other(String),
}

impl From<String> for Cause {
    fn from(cause: String) -> Self {
        Self::Other(cause)
    }
}

/// Reads an ONNX file called `file` in messages; `folder` is where its external data are.
pub(crate) fn open(
    file: &str,
    content: Content,
    folder: Option<&Path>,
) -> Result<Opened, ReadError> {
    wire::check(&content).map_err(|refusal| match refusal {
        Refusal::CutShort => ReadError::truncated(file, "it ends inside its graph"),
        Refusal::Damaged(cause) => ReadError::damaged(file, format!("it has {cause}")),
        Refusal::TooManyFields => {
            ReadError::damaged(file, "its graph has more parts than any network")
        }
        Refusal::Foreign(found) => unknown(file, format!("it has {found}")),
    })?;
    let model = ModelProto::parse_from_tokio_bytes(&Bytes::from_owner(content));
    let model = model.map_err(|error| ReadError::damaged(file, error.to_string()))?;
    read(model, folder).map_err(|cause| match cause {
        Cause::Damaged(cause) => ReadError::damaged(file, cause),
        Cause::External { data, cause } => ReadError::ExternalData {
            file: file.to_string(),
            data,
            cause,
        },
        Cause::Other(cause) => unknown(file, cause),
    })
}

fn unknown(file: &str, cause: String) -> ReadError {
    ReadError::UnknownGraph {
        file: file.to_string(),
        cause,
    }
}

fn read(model: ModelProto, folder: Option<&Path>) -> Result<Opened, Cause> {
    let graph = Graph::new(model, &mut External::new(folder))?;
    let network = network::follow(&graph)?;
    let (config, state) = translate::translate(network)?;
    let (entries, tensors) = state.finish();
    Ok(Opened {
        config,
        entries,
        tensors,
    })
}
