//! The settings in environment variables.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::error::FetchError;

/// The URL of the Hugging Face hub.
pub(super) const HUB: &str = "https://huggingface.co";

/// Cache folders and network settings.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) cache: PathBuf,
    /// The cache folder of `torch.hub`.
    pub(super) torch: Option<PathBuf>,
    /// The cache folder of `huggingface_hub`.
    pub(super) hub: Option<PathBuf>,
    pub(super) offline: bool,
    pub(super) network: Network,
}

#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "download"), allow(dead_code, reason = "no network"))]
pub(super) struct Network {
    /// The URL of the hub. Like the mirror, it begins with `http://` or `https://` and has no
    /// trailing slash.
    pub(super) endpoint: String,
    pub(super) mirror: Option<String>,
    pub(super) token: Option<Secret>,
    pub(super) http_proxy: Option<Secret>,
    pub(super) https_proxy: Option<Secret>,
    pub(super) no_proxy: String,
}

/// Returns the URL of a file of the hub at `endpoint`.
pub(super) fn hub_address(endpoint: &str, repo: &str, file: &str) -> String {
    format!("{endpoint}/{repo}/resolve/main/{file}")
}

/// A string that `Debug` hides.
#[derive(Clone)]
#[cfg_attr(not(feature = "download"), allow(dead_code, reason = "no network"))]
pub(super) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Settings {
    pub(super) fn new(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, FetchError> {
        let variables = Variables(&lookup);
        let caches = variables
            .folder("XDG_CACHE_HOME")
            .filter(|folder| folder.is_absolute());
        let others = caches
            .clone()
            .or_else(|| Some(dirs::home_dir()?.join(".cache")));
        let beside = |name: &str| others.as_ref().map(|folder| folder.join(name));

        let cache = variables.folder("RESNET_CACHE").or_else(|| {
            let folder = caches.clone().or_else(dirs::cache_dir)?;
            Some(folder.join("resnet-burn"))
        });
        let torch = variables.folder("TORCH_HOME").or_else(|| beside("torch"));
        let hub = ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"]
            .iter()
            .find_map(|name| variables.folder(name));
        let hub = hub.or_else(|| {
            let home = variables.folder("HF_HOME");
            Some(home.or_else(|| beside("huggingface"))?.join("hub"))
        });
        let offline = variables.switch("RESNET_OFFLINE")?
            || variables.switch("HF_HUB_OFFLINE").unwrap_or(false);

        Ok(Self {
            cache: absolute(cache.ok_or(FetchError::NoFolder)?),
            torch: torch.map(|folder| absolute(folder.join("hub").join("checkpoints"))),
            hub: hub.map(absolute),
            offline,
            network: Network {
                endpoint: variables.address("HF_ENDPOINT")?.unwrap_or(HUB.into()),
                mirror: variables.address("RESNET_MIRROR")?,
                token: variables.token("HF_TOKEN")?,
                http_proxy: variables.proxy(["http_proxy", "HTTP_PROXY"]),
                https_proxy: variables.proxy(["https_proxy", "HTTPS_PROXY"]),
                no_proxy: variables
                    .first(["no_proxy", "NO_PROXY"])
                    .unwrap_or_default(),
            },
        })
    }
}

/// Makes a path absolute, so that the path in a message works in any folder.
pub(super) fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

struct Variables<'a>(&'a dyn Fn(&str) -> Option<OsString>);

impl Variables<'_> {
    fn folder(&self, name: &str) -> Option<PathBuf> {
        let value = (self.0)(name).filter(|value| !value.is_empty())?;
        let path = Path::new(&value);
        // PyTorch and huggingface_hub expand `~` the same way, with Python's `expanduser`.
        let below_home = path.strip_prefix("~").ok();
        match below_home.and_then(|rest| Some(dirs::home_dir()?.join(rest))) {
            Some(path) => Some(path),
            None => Some(path.to_path_buf()),
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        let value = (self.0)(name)?.to_string_lossy().trim().to_string();
        (!value.is_empty()).then_some(value)
    }

    fn first<const N: usize>(&self, names: [&str; N]) -> Option<String> {
        names.iter().find_map(|name| self.text(name))
    }

    fn proxy(&self, names: [&str; 2]) -> Option<Secret> {
        let value = self.first(names);
        value
            .or_else(|| self.first(["all_proxy", "ALL_PROXY"]))
            .map(Secret)
    }

    fn switch(&self, name: &'static str) -> Result<bool, FetchError> {
        let Some(value) = self.text(name) else {
            return Ok(false);
        };
        match value.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(true),
            "0" | "false" | "no" | "off" => Ok(false),
            _ => Err(FetchError::Variable {
                name,
                found: format!("`{value}`"),
                expected: "`1` or `0`",
            }),
        }
    }

    fn address(&self, name: &'static str) -> Result<Option<String>, FetchError> {
        let Some(value) = self.text(name) else {
            return Ok(None);
        };
        let rest = value
            .strip_prefix("https://")
            .or_else(|| value.strip_prefix("http://"));
        let host = rest.and_then(|rest| rest.split('/').next());
        let plain =
            value.bytes().all(|byte| byte.is_ascii_graphic()) && !value.contains(['?', '#']);
        match host {
            Some(host) if plain && !host.is_empty() && !host.contains('@') => {
                Ok(Some(value.trim_end_matches('/').to_string()))
            }
            // The value may contain a password, so the message does not show it.
            _ => Err(FetchError::Variable {
                name,
                found: "something else".into(),
                expected: "`https://host` or `https://host/path`, without a password",
            }),
        }
    }

    fn token(&self, name: &'static str) -> Result<Option<Secret>, FetchError> {
        match self.text(name) {
            Some(value) if !value.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err(FetchError::Variable {
                    name,
                    found: "something else".into(),
                    expected: "a token of plain letters, as the hub gives them",
                })
            }
            value => Ok(value.map(Secret)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Settings, FetchError> {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name);
        Settings::new(|name| find(name).map(|(_, value)| value.into()))
    }

    #[cfg(unix)]
    #[test]
    fn folders_follow_the_variables_of_each_program() {
        let found = settings(&[("XDG_CACHE_HOME", "/x")]).unwrap();
        assert_eq!(found.cache, Path::new("/x/resnet-burn"));
        assert_eq!(found.torch.unwrap(), Path::new("/x/torch/hub/checkpoints"));
        assert_eq!(found.hub.unwrap(), Path::new("/x/huggingface/hub"));

        let found = settings(&[
            ("XDG_CACHE_HOME", "/x"),
            ("RESNET_CACHE", "/c"),
            ("TORCH_HOME", "/t"),
            ("HF_HOME", "/h"),
        ])
        .unwrap();
        assert_eq!(found.cache, Path::new("/c"));
        assert_eq!(found.torch.unwrap(), Path::new("/t/hub/checkpoints"));
        assert_eq!(found.hub.unwrap(), Path::new("/h/hub"));

        let found = settings(&[("HF_HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old")]).unwrap();
        assert_eq!(found.hub.unwrap(), Path::new("/old"));
        let old_and_new = [("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "/new")];
        assert_eq!(
            settings(&old_and_new).unwrap().hub.unwrap(),
            Path::new("/new")
        );

        let home = dirs::home_dir().unwrap();
        let found = settings(&[("TORCH_HOME", "~/t"), ("RESNET_CACHE", "")]).unwrap();
        assert_eq!(found.torch.unwrap(), home.join("t/hub/checkpoints"));
        assert_eq!(found.hub.unwrap(), home.join(".cache/huggingface/hub"));
        assert!(
            settings(&[("RESNET_CACHE", "here")])
                .unwrap()
                .cache
                .is_absolute()
        );
    }

    #[test]
    fn offline_is_a_switch() {
        for on in ["1", "true", "YES", " on "] {
            assert!(settings(&[("RESNET_OFFLINE", on)]).unwrap().offline, "{on}");
            assert!(settings(&[("HF_HUB_OFFLINE", on)]).unwrap().offline, "{on}");
        }
        for off in ["0", "false", "", "no"] {
            assert!(
                !settings(&[("RESNET_OFFLINE", off)]).unwrap().offline,
                "{off}"
            );
        }
        assert!(!settings(&[("HF_HUB_OFFLINE", "maybe")]).unwrap().offline);
        let error = settings(&[("RESNET_OFFLINE", "maybe")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`RESNET_OFFLINE`: is `maybe`, expected `1` or `0`; correct it or unset it"
        );
    }

    #[test]
    fn addresses_are_checked() {
        let found = settings(&[("RESNET_MIRROR", "http://m/zoo/")]).unwrap();
        assert_eq!(found.network.mirror.unwrap(), "http://m/zoo");
        assert_eq!(found.network.endpoint, HUB);
        for bad in [
            "m/zoo",
            "ftp://m",
            "https://",
            "https://a:b@m",
            "https://m?x",
            "https://m m",
        ] {
            assert!(settings(&[("RESNET_MIRROR", bad)]).is_err(), "{bad}");
            assert!(settings(&[("HF_ENDPOINT", bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_do_not_show() {
        let secret = [
            ("HF_TOKEN", "hf_secret"),
            ("HTTPS_PROXY", "http://user:secret@proxy"),
        ];
        assert!(!format!("{:?}", settings(&secret).unwrap()).contains("secret"));
        let error = settings(&[("HF_TOKEN", "secret\nX: y")]).unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn lower_case_comes_first_and_all_proxy_last() {
        let proxy = |variables: &[(&str, &str)]| {
            let network = settings(variables).unwrap().network;
            [network.http_proxy, network.https_proxy].map(|proxy| proxy.map(|secret| secret.0))
        };
        let some = |text: &str| Some(text.to_string());
        let both = [("http_proxy", "a"), ("HTTP_PROXY", "b"), ("ALL_PROXY", "c")];
        assert_eq!(proxy(&both), [some("a"), some("c")]);
        assert_eq!(proxy(&[("HTTPS_PROXY", "b")]), [None, some("b")]);
    }
}
