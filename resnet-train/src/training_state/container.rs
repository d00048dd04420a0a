//! The file format: safetensors with deterministic bytes and a digest of the whole content.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use burn::tensor::TensorData;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The metadata keys.
const STATE: &str = "resnet_train_state";
const DIGEST: &str = "sha256";

/// The metadata key that earlier versions used instead of [`STATE`].
const EARLIER: &str = "position";

/// The version of the file format.
const VERSION: u32 = 1;

/// The part of a training state that is not tensors.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    version: u32,
    /// The name of the optimizer.
    pub(super) optimizer: String,
    /// The step count of each entry with optimizer state.
    pub(super) steps: BTreeMap<String, u64>,
    /// The value that the caller needs to resume.
    pub(super) position: Value,
}

/// `f32` tensors by key.
pub(super) type Tensors = BTreeMap<String, TensorData>;

#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    Metadata(BTreeMap<&'a str, &'a str>),
    Tensor {
        dtype: &'a str,
        shape: &'a [usize],
        data_offsets: [usize; 2],
    },
}

impl State {
    pub(super) fn new(optimizer: &str, steps: BTreeMap<String, u64>, position: Value) -> Self {
        Self {
            version: VERSION,
            optimizer: optimizer.into(),
            steps,
            position,
        }
    }

    /// Returns the bytes of the file. Equal content gives equal bytes.
    pub(super) fn to_bytes(&self, tensors: &Tensors) -> Result<Vec<u8>, serde_json::Error> {
        let state = serde_json::to_string(self)?;
        let contents = tensors.iter();
        let contents = contents.map(|(key, data)| (key.as_str(), data.as_bytes()));
        let digest = digest(&state, contents);
        let mut header = BTreeMap::new();
        let mut end = 0;
        for (key, data) in tensors {
            let start = end;
            end += data.as_bytes().len();
            let entry = Entry::Tensor {
                dtype: "F32",
                shape: &data.shape,
                data_offsets: [start, end],
            };
            header.insert(key.as_str(), entry);
        }
        let metadata = BTreeMap::from([(STATE, state.as_str()), (DIGEST, digest.as_str())]);
        header.insert("__metadata__", Entry::Metadata(metadata));
        let mut header = serde_json::to_vec(&header)?;
        header.resize(header.len().next_multiple_of(8), b' ');
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.reserve_exact(header.len() + end);
        bytes.append(&mut header);
        for data in tensors.values() {
            bytes.extend_from_slice(data.as_bytes());
        }
        Ok(bytes)
    }

    /// Reads state and tensors from the bytes of a file and checks the digest. The error says what
    /// was found instead.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<(Self, SafeTensors<'_>), String> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
        let file = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
        let entry = |key: &str| metadata.metadata().as_ref().and_then(|map| map.get(key));
        let state = match entry(STATE) {
            Some(state) => state,
            None if entry(EARLIER).is_some() => {
                return Err("a training state of an earlier version".into());
            }
            None => return Err(format!("no `{STATE}` in its header")),
        };
        let stated = entry(DIGEST).ok_or_else(|| format!("no `{DIGEST}` in its header"))?;
        let mut names = file.names();
        names.sort_unstable();
        let mut contents = Vec::new();
        for name in names {
            let view = file.tensor(name).map_err(|error| error.to_string())?;
            contents.push((name, view.data()));
        }
        if digest(state, contents.into_iter()) != *stated {
            return Err("a damaged file: its sha256 does not match".into());
        }
        let state: Self = serde_json::from_str(state)
            .map_err(|error| format!("another `{STATE}` in its header: {error}"))?;
        match state.version {
            VERSION => Ok((state, file)),
            other => Err(format!("version {other} in place of {VERSION}")),
        }
    }
}

/// Returns the SHA-256 of the state, then of each key and its values.
fn digest<'a>(state: &str, contents: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut hash = Sha256::new();
    hash.update(state);
    for (key, values) in contents {
        hash.update(key);
        hash.update(values);
    }
    let digest = hash.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a regular file. Returns `None` if it has more than `most` bytes.
pub(super) fn read(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}
