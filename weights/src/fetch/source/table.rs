//! The table of all sources, in order of preference.

use super::{
    Location, WeightSource, embedded, hub, hub_cache, mirror, our_cache, publisher, torch_cache,
};
use crate::fetch::request::FileRequest;
use crate::fetch::settings::Settings;

/// Creates a source from the settings. Returns `None` if they disable it.
type Create = fn(&Settings) -> Option<Box<dyn WeightSource>>;

/// All sources, the preferred one first.
const TABLE: [(Stage, Create); 7] = [
    (Stage::Program, embedded::create),
    (Stage::OurCache, our_cache::create),
    (Stage::ForeignCaches, torch_cache::create),
    (Stage::ForeignCaches, hub_cache::create),
    (Stage::Network, mirror::create),
    (Stage::Network, publisher::create),
    (Stage::Network, hub::create),
];

/// The stage of the search. All files are looked up at one stage before the next stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Program,
    OurCache,
    ForeignCaches,
    Network,
}

/// The sources that the settings enable.
pub(in crate::fetch) struct Sources(Vec<(Stage, Box<dyn WeightSource>)>);

impl Sources {
    pub(in crate::fetch) fn new(settings: &Settings) -> Self {
        let created = TABLE.iter().filter_map(|(stage, create)| {
            let source = create(settings)?;
            Some((*stage, source))
        });
        Self(created.collect())
    }

    /// Returns the possible locations of the files on this machine, in order of preference.
    pub(in crate::fetch) fn on_this_machine<'a>(
        &'a self,
        requests: &'a [FileRequest],
    ) -> impl Iterator<Item = (&'a FileRequest, Location)> {
        let stages = [Stage::Program, Stage::OurCache, Stage::ForeignCaches];
        stages
            .into_iter()
            .flat_map(move |stage| self.at(stage, requests))
    }

    /// Returns the URLs of the files, in order of preference.
    #[cfg(feature = "download")]
    pub(in crate::fetch) fn on_the_network<'a>(
        &'a self,
        requests: &'a [FileRequest],
    ) -> impl Iterator<Item = (&'a FileRequest, super::Address)> {
        let locations = self.at(Stage::Network, requests);
        locations.filter_map(|(request, location)| match location {
            Location::Network(address) => Some((request, address)),
            _ => None,
        })
    }

    /// Asks the sources of one stage for the first file, then for the next file.
    fn at<'a>(
        &'a self,
        stage: Stage,
        requests: &'a [FileRequest],
    ) -> impl Iterator<Item = (&'a FileRequest, Location)> {
        requests.iter().flat_map(move |request| {
            let sources = self.0.iter().filter(move |(of, _)| *of == stage);
            sources.filter_map(move |(_, source)| Some((request, source.locate(request)?)))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{Source, Weights};

    const URL: &str = "https://example.org/zoo/net-0123abcd.pth";

    fn settings(mirror: &str) -> Settings {
        let lookup = |name: &str| match name {
            "RESNET_CACHE" => Some("/ours".into()),
            "TORCH_HOME" => Some("/torch".into()),
            "HF_HUB_CACHE" => Some("/hub".into()),
            "HF_ENDPOINT" => Some("https://hub.example".into()),
            "RESNET_MIRROR" => Some(mirror.into()),
            _ => None,
        };
        Settings::new(lookup).unwrap()
    }

    /// Returns requests like the catalog's for timm's weights: the hub first, then the publisher.
    fn requests() -> Vec<FileRequest> {
        let hub = Source::Hub {
            repo: "timm/net".into(),
            file: "model.safetensors".into(),
        };
        let url = Source::Url {
            url: URL.into(),
            sha256: "0123abcd".into(),
        };
        let weights = Weights {
            id: "net".into(),
            sources: vec![hub, url],
            ..Weights::all()[0].clone()
        };
        FileRequest::all((&weights).into()).unwrap()
    }

    #[cfg(unix)]
    #[test]
    fn our_cache_comes_before_other_caches_for_every_file() {
        let sources = Sources::new(&settings(""));
        let requests = requests();
        let paths = sources.on_this_machine(&requests);
        let paths: Vec<_> = paths
            .map(|(_, location)| match location {
                Location::OurCache(path) => path,
                Location::ForeignCache(file) => file.path,
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [
            "/ours/net.safetensors",
            "/ours/net-0123abcd.pth",
            "/hub/models--timm--net/snapshots/main/model.safetensors",
            "/torch/hub/checkpoints/net-0123abcd.pth",
        ];
        assert_eq!(paths, expected.map(Path::new));
    }

    #[cfg(feature = "download")]
    #[test]
    fn a_mirror_replaces_the_publisher_but_not_the_hub() {
        let hub = "https://hub.example/timm/net/resolve/main/model.safetensors";
        for (mirror, second) in [
            ("", URL),
            ("http://mirror/m/", "http://mirror/m/net-0123abcd.pth"),
        ] {
            let sources = Sources::new(&settings(mirror));
            let requests = requests();
            let addresses: Vec<_> = sources
                .on_the_network(&requests)
                .map(|(_, address)| (address.url, address.pin.is_some()))
                .collect();
            assert_eq!(
                addresses,
                [(hub.to_string(), false), (second.to_string(), true)]
            );
        }
    }

    #[test]
    fn embedded_weights_have_no_other_source() {
        let embedded = Weights::all().iter().find(|weights| weights.is_embedded());
        let requests = FileRequest::all(embedded.unwrap().into()).unwrap();
        let sources = Sources::new(&settings(""));
        let here: Vec<_> = sources.on_this_machine(&requests).collect();
        assert!(matches!(here[..], [(_, Location::Program)]));
        #[cfg(feature = "download")]
        assert_eq!(sources.on_the_network(&requests).count(), 0);
    }
}
