//! An HTTP client with proxies and redirects.

use ureq::http::uri::{Scheme, Uri};
use ureq::http::{Method, Request, Response, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy};

use super::error::DownloadError;
use super::proxy::is_exempt;
use crate::fetch::retry_policy::RetryPolicy;
use crate::fetch::settings::{Network, Secret};

const REDIRECTS: usize = 10;

/// The header with the hash of the file that the hub redirects to.
pub(super) const LINKED_ETAG: &str = "x-linked-etag";

/// Sends requests through proxies and follows redirects.
///
/// It follows redirects itself, because ureq allows redirects from https to http and does not
/// report the final host.
pub(super) struct Client<'a> {
    network: &'a Network,
    policy: RetryPolicy,
    direct: Agent,
    http: Option<Result<Agent, String>>,
    https: Option<Result<Agent, String>>,
}

/// The response at the end of all redirects.
pub(super) struct Answer {
    pub(super) response: Response<Body>,
    /// The host that answered, if redirects led to another host.
    pub(super) elsewhere: Option<String>,
}

/// Which redirects to follow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Redirects {
    All,
    /// Only redirects on the same host, such as for a renamed repository.
    SameHost,
}

impl<'a> Client<'a> {
    pub(super) fn new(network: &'a Network, policy: RetryPolicy) -> Self {
        let proxied = |proxy: &Option<Secret>, names: &str| {
            let proxy = Proxy::new(&proxy.as_ref()?.0);
            Some(match proxy {
                Ok(proxy) => Ok(agent(&policy, Some(proxy))),
                Err(_) => Err(names.to_string()),
            })
        };
        Self {
            network,
            policy,
            direct: agent(&policy, None),
            http: proxied(&network.http_proxy, "HTTP_PROXY"),
            https: proxied(&network.https_proxy, "HTTPS_PROXY"),
        }
    }

    /// Requests the content, starting at byte `from`.
    pub(super) fn get(&self, url: &str, from: u64) -> Result<Answer, DownloadError> {
        self.send(Method::GET, url, from, Redirects::All)
    }

    /// Requests the headers only.
    pub(super) fn head(&self, url: &str) -> Result<Answer, DownloadError> {
        self.send(Method::HEAD, url, 0, Redirects::SameHost)
    }

    fn send(
        &self,
        method: Method,
        url: &str,
        from: u64,
        redirects: Redirects,
    ) -> Result<Answer, DownloadError> {
        let first = address(url)?;
        let mut here = first.clone();
        for _ in 0..=REDIRECTS {
            let request = self.request(&method, &here, from)?;
            let response = self.agent(&here)?.run(request);
            let response =
                response.map_err(|error| DownloadError::transport(error, &self.policy))?;
            let elsewhere = (origin(&here) != origin(&first)).then(|| origin(&here));
            let answer = Answer {
                response,
                elsewhere,
            };
            let Some(next) = redirect(&here, &answer.response)? else {
                return Ok(answer);
            };
            let stated = answer.response.headers().contains_key(LINKED_ETAG);
            if redirects == Redirects::SameHost && (stated || origin(&next) != origin(&here)) {
                return Ok(answer);
            }
            here = next;
        }
        Err(DownloadError::Permanent(format!(
            "redirects more than {REDIRECTS} times"
        )))
    }

    fn request(&self, method: &Method, url: &Uri, from: u64) -> Result<Request<()>, DownloadError> {
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::ACCEPT_ENCODING, "identity");
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        let endpoint = self.network.endpoint.parse::<Uri>().ok();
        if let Some(Secret(token)) = &self.network.token
            && endpoint.is_some_and(|endpoint| origin(&endpoint) == origin(url))
        {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        request
            .body(())
            .map_err(|error| DownloadError::Permanent(error.to_string()))
    }

    fn agent(&self, url: &Uri) -> Result<&Agent, DownloadError> {
        let proxied = match url.scheme() == Some(&Scheme::HTTPS) {
            true => &self.https,
            false => &self.http,
        };
        let host = url.host().unwrap_or_default();
        match proxied {
            Some(agent) if !is_exempt(&self.network.no_proxy, host, port(url)) => {
                agent.as_ref().map_err(|name| {
                    DownloadError::Permanent(format!(
                        "`{name}` is not a proxy URL, expected `http://host:port`"
                    ))
                })
            }
            _ => Ok(&self.direct),
        }
    }
}

fn agent(policy: &RetryPolicy, proxy: Option<Proxy>) -> Agent {
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier);
    let config = Agent::config_builder()
        .tls_config(tls.build())
        .proxy(proxy)
        .user_agent(concat!("resnet-burn/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_resolve(Some(policy.connect))
        .timeout_connect(Some(policy.connect))
        .timeout_recv_response(Some(policy.response))
        .timeout_per_read(Some(policy.idle))
        .timeout_per_write(Some(policy.idle));
    config.build().new_agent()
}

fn address(url: &str) -> Result<Uri, DownloadError> {
    let uri = url.parse::<Uri>().ok();
    let fit = uri.filter(|uri| {
        let web = [Some("http"), Some("https")].contains(&uri.scheme_str());
        web && uri.host().is_some_and(|host| !host.is_empty())
    });
    fit.ok_or_else(|| DownloadError::Permanent(format!("{url:?} is not an http or https URL")))
}

/// Returns the address that a response redirects to.
fn redirect<B>(here: &Uri, response: &Response<B>) -> Result<Option<Uri>, DownloadError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = response.headers().get(header::LOCATION);
    let Some(location) = location.and_then(|value| value.to_str().ok()) else {
        return Ok(None);
    };
    let next = address(&join(here, location))?;
    if here.scheme() == Some(&Scheme::HTTPS) && next.scheme() != Some(&Scheme::HTTPS) {
        return Err(DownloadError::Permanent(format!(
            "redirects from https to {}, which is not encrypted; not followed",
            origin(&next)
        )));
    }
    Ok(Some(next))
}

fn join(here: &Uri, location: &str) -> String {
    let scheme = here.scheme_str().unwrap_or_default();
    let path = here.path();
    if location.contains("://") && !location.starts_with(['/', '?']) {
        return location.to_string();
    }
    if location.starts_with("//") {
        return format!("{scheme}:{location}");
    }
    let host = here.authority().map_or("", |authority| authority.as_str());
    if location.starts_with('/') {
        return format!("{scheme}://{host}{location}");
    }
    let folder = match location.starts_with('?') {
        true => path,
        false => &path[..path.rfind('/').map_or(0, |slash| slash + 1)],
    };
    format!("{scheme}://{host}{folder}{location}")
}

fn port(url: &Uri) -> u16 {
    let default = match url.scheme() == Some(&Scheme::HTTPS) {
        true => 443,
        false => 80,
    };
    url.port_u16().unwrap_or(default)
}

/// Returns scheme, host and port, which decide whether to send a token.
fn origin(url: &Uri) -> String {
    let host = url.host().unwrap_or_default().to_ascii_lowercase();
    format!(
        "{}://{host}:{}",
        url.scheme_str().unwrap_or_default(),
        port(url)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_resolved_as_in_a_browser() {
        let here = address("https://host:8/a/b?x=1").unwrap();
        for (location, expected) in [
            ("https://cdn/x", "https://cdn/x"),
            ("//cdn/x", "https://cdn/x"),
            ("/x?u=http://y", "https://host:8/x?u=http://y"),
            ("c", "https://host:8/a/c"),
            ("?y=2", "https://host:8/a/b?y=2"),
        ] {
            assert_eq!(join(&here, location), expected);
        }
    }

    #[test]
    fn a_redirect_from_https_to_http_is_an_error() {
        let answer = |location| {
            let answer = Response::builder().status(302);
            answer.header("location", location).body(()).unwrap()
        };
        let here = address("https://host/a").unwrap();
        let error = redirect(&here, &answer("http://host/a")).unwrap_err();
        assert!(
            matches!(error, DownloadError::Permanent(reason) if reason.contains("not encrypted"))
        );
        assert!(redirect(&here, &answer("ftp://host/a")).is_err());
        assert!(redirect(&here, &answer("https://cdn/a")).unwrap().is_some());
        let here = address("http://host/a").unwrap();
        assert!(redirect(&here, &answer("http://cdn/a")).unwrap().is_some());
    }

    #[test]
    fn only_http_addresses_are_accepted() {
        for url in [
            "",
            "file:///etc/passwd",
            "ftp://h/x",
            "host/x",
            "http://",
            "http://h/a b",
        ] {
            assert!(address(url).is_err(), "{url}");
        }
        let same = [
            address("https://H/x").unwrap(),
            address("https://h:443/y").unwrap(),
        ];
        assert_eq!(origin(&same[0]), origin(&same[1]));
    }
}
