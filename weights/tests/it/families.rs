//! Files in PyTorch's formats, one for each family and container: downloads them from a test server
//! and compares the logits with PyTorch.

use std::io::Read;
use std::path::{Path, PathBuf};

use burn::backend::Flex;
use burn::tensor::DType;
use resnet_core::Network;
use resnet_testing::server::{Reply, Request, Server};
use resnet_testing::{assert_close, keyed, suite};
use resnet_weights::{Fetch, Origin, PretrainedBuilder, Source, Verdict, Weights};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::fixture;

/// The parts of a file that `pack.py` stores.
#[derive(Deserialize)]
struct Layout {
    id: String,
    file: String,
    sha256: String,
    pieces: Vec<(usize, String, Vec<usize>, String)>,
}

/// A reassembled file.
struct File {
    layout: Layout,
    content: Vec<u8>,
}

impl File {
    fn open(path: &Path) -> Self {
        let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
        let mut entry = |name: &str| {
            let mut bytes = Vec::new();
            let mut entry = archive.by_name(name).unwrap();
            entry.read_to_end(&mut bytes).unwrap();
            bytes
        };
        let layout: Layout = serde_json::from_slice(&entry("layout.json")).unwrap();
        let literal = entry("literal");
        let mut rest = &literal[..];
        let mut content = Vec::new();
        for (length, key, shape, dtype) in &layout.pieces {
            let (before, after) = rest.split_at(*length);
            content.extend_from_slice(before);
            rest = after;
            let data = keyed::parameter(7, key, shape);
            let data = match dtype.as_str() {
                "f16" => data.convert_dtype(DType::F16),
                _ => data,
            };
            content.extend_from_slice(data.as_bytes());
        }
        content.extend_from_slice(rest);
        let found: String = Sha256::digest(&content)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(found, layout.sha256, "{}", path.display());
        Self { layout, content }
    }

    /// Returns the row of the catalog. The hash in a publisher's file name is replaced by the
    /// hash of this file.
    fn weights(&self) -> Weights {
        let mut weights = Weights::named(&self.layout.id).unwrap().clone();
        if self.layout.file != "model.safetensors" {
            weights.sources = vec![Source::Url {
                url: format!("https://publisher.invalid/models/{}", self.layout.file),
                sha256: self.layout.sha256[..8].into(),
            }];
        }
        weights
    }

    /// Starts a server that has the file at the place that the catalog states, on the hub or on a
    /// mirror.
    fn serve(self) -> Server {
        let hub = format!("/timm/{}/resolve/main/model.safetensors", self.layout.id);
        Server::new(move |request: &Request, reply: &mut Reply| {
            let Self { layout, content } = &self;
            if request.path == hub && request.method == "HEAD" {
                let etag = format!("\"{}\"", layout.sha256);
                let length = content.len().to_string();
                reply.head(
                    "200 OK",
                    &[("X-Linked-Etag", &etag), ("X-Linked-Size", &length)],
                );
            } else if request.path == hub || request.path == format!("/mirror/{}", layout.file) {
                reply.file(request, content);
            } else {
                reply.head("404 Not Found", &[("Content-Length", "0")]);
            }
        })
    }
}

fn expected(id: &str) -> Vec<f32> {
    if id == "wide_resnet50_2.tv_in1k" {
        let text = std::fs::read(fixture("families/half.json")).unwrap();
        return serde_json::from_slice(&text).unwrap();
    }
    let arch = id.split('.').next().unwrap();
    suite::expected(arch)["logits"].clone()
}

/// Downloads, verifies, loads and runs a file.
fn check(path: &Path) {
    let file = File::open(path);
    let (weights, sha256) = (file.weights(), file.layout.sha256.clone());
    let id = weights.id.clone();
    let on_hub = file.layout.file == "model.safetensors";
    let server = file.serve();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (cache, endpoint, mirror) = (
        folder.path().as_os_str().to_owned(),
        server.url.clone(),
        format!("{}/mirror", server.url),
    );
    let fetch = Fetch::from_variables(|name| match name {
        "RESNET_CACHE" => Some(cache.clone()),
        "HF_ENDPOINT" => Some(endpoint.clone().into()),
        "RESNET_MIRROR" if !on_hub => Some(mirror.clone().into()),
        _ => None,
    });
    let fetch = fetch.unwrap();
    let loader = PretrainedBuilder::new(weights.clone()).with_fetch(fetch.clone());
    let resnet = loader.load::<Flex>(&Default::default()).unwrap();

    let verified = fetch.verify(&weights).unwrap();
    assert_eq!(verified.len(), 1, "{id}");
    assert_eq!(verified[0].verdict, Verdict::Right { sha256 }, "{id}");
    let again = fetch.with_offline(true).fetch(&weights).unwrap();
    assert_eq!(
        (again.origin, Some(again.path)),
        (Origin::Cache, resnet.file)
    );
    assert_eq!(server.gets().len(), 1, "{id}");
    drop(folder);

    assert!(resnet.report.fresh.is_empty() && resnet.report.adapted.is_empty());
    let parameters = resnet.model.num_parameters() as u64;
    assert_eq!(parameters, weights.parameters, "{id}");
    let logits =
        resnet
            .model
            .fuse()
            .forward(keyed::images(7, [2, 3, 128, 128], &Default::default()));
    let logits: Vec<f32> = logits.into_data().iter().collect();
    assert_close(&id, &logits, &expected(&id), 1e-4);
}

fn files(ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(fixture("families")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.to_str().unwrap().ends_with(ending))
        .collect();
    paths.sort();
    paths
}

#[test]
fn a_pth_of_each_family_gives_the_logits_of_pytorch() {
    let files = files(".pth.zip");
    assert_eq!(files.len(), 13);
    files.iter().for_each(|path| check(path));
}

#[test]
fn a_safetensors_file_of_each_family_gives_the_logits_of_pytorch() {
    let files = files(".safetensors.zip");
    assert_eq!(files.len(), 14);
    files.iter().for_each(|path| check(path));
}
