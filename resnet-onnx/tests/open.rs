//! Tests the public interface. `resnet-weights` compares the networks with PyTorch's logits.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use burn::tensor::DType;
use resnet_onnx::{OnnxError, open, open_with};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn content(name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join(name)).unwrap()
}

/// Returns the file of the README's example. Unlike the fixtures, it is part of the package.
fn cifar() -> Vec<u8> {
    content("../../sample/cifar.onnx")
}

/// An owner of bytes, such as a memory map, that must not be copied.
struct Owner(Box<[u8]>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[test]
fn tensors_match_the_config() {
    let network = open(cifar(), None).unwrap();
    assert_eq!(network.config.stages.len(), 3);
    let parameters: usize = network
        .tensors
        .iter()
        .filter(|tensor| !resnet_core::is_running_stat(tensor.key()))
        .map(|tensor| tensor.shape().iter().product::<usize>())
        .sum();
    let cost = network.config.cost([32, 32]);
    assert_eq!(parameters as u64, cost.parameters);
    for tensor in &network.tensors {
        let data = tensor.read();
        assert_eq!(data.shape[..], *tensor.shape(), "{}", tensor.key());
        assert_eq!((data.dtype, tensor.dtype()), (DType::F32, DType::F32));
    }
}

#[test]
fn external_data_is_read_once_by_the_given_function() {
    let lengths = Mutex::new(Vec::new());
    let read_file = |mut file: File| {
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        lengths.lock().unwrap().push(content.len());
        Ok(Owner(content.into()))
    };
    let owner = Owner(content("deep.external.onnx").into());
    let network = open_with(owner, Some(&fixtures()), read_file).unwrap();
    let data = content("deep.external.onnx.data");
    assert_eq!(*lengths.lock().unwrap(), [data.len()]);
    let read = open(content("deep.external.onnx"), Some(&fixtures())).unwrap();
    assert_eq!(network.tensors.len(), read.tensors.len());
    assert!(!read.tensors.is_empty());
    for (a, b) in network.tensors.iter().zip(&read.tensors) {
        assert_eq!((a.key(), a.read()), (b.key(), b.read()));
    }
}

#[test]
fn errors_keep_their_sources() {
    let external = content("deep.external.onnx");
    let error = open(external.clone(), Some(Path::new("/nowhere"))).unwrap_err();
    let source = error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>());
    assert_eq!(source.map(io::Error::kind), Some(io::ErrorKind::NotFound));
    let expected = "the ONNX file keeps weights in `deep.external.onnx.data`, which cannot be read";
    assert_eq!(error.to_string(), expected);
    let error = open(external, None).unwrap_err();
    assert!(
        matches!(error, OnnxError::ExternalData { source: None, .. }),
        "{error}"
    );

    // A number instead of the graph's name, which is a string; 0xff is not valid UTF-8.
    let error = open(vec![0x08, 0x0a, 0x3a, 0x03, 0x12, 0x01, 0xff], None).unwrap_err();
    assert!(matches!(error, OnnxError::Message { .. }), "{error}");
    assert!(error.source().is_some());

    let cut = cifar();
    let error = open(cut[..cut.len() / 2].to_vec(), None).unwrap_err();
    assert!(matches!(error, OnnxError::Truncated), "{error}");
}
