use ureq::http::uri::{Scheme, Uri};
use ureq::http::{Method, Request, Response, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy};

use super::proxy::is_exempt;
use super::trouble::Trouble;
use crate::fetch::patience::Patience;
use crate::fetch::settings::{Network, Secret};

const REDIRECTS: usize = 10;

/// Where the hub states the hash of the content that it redirects to.
pub(super) const LINKED_ETAG: &str = "x-linked-etag";

/// Sends requests, through proxies and along redirects.
///
/// Redirects are followed here and not by ureq, which does not refuse the step from https to http and does not tell
/// hosts apart.
pub(super) struct Client<'a> {
    network: &'a Network,
    patience: Patience,
    direct: Agent,
    http: Option<Result<Agent, String>>,
    https: Option<Result<Agent, String>>,
}

/// The answer at the end of all redirects.
pub(super) struct Answer {
    pub(super) response: Response<Body>,
    /// The host it came from, if that is not the one that was asked.
    pub(super) elsewhere: Option<String>,
}

/// Which redirects to follow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Redirects {
    All,
    /// Those of a renamed repository, not the one to the place of the content.
    SameHost,
}

impl<'a> Client<'a> {
    pub(super) fn new(network: &'a Network, patience: Patience) -> Self {
        let proxied = |proxy: &Option<Secret>, names: &str| {
            let proxy = Proxy::new(&proxy.as_ref()?.0);
            Some(match proxy {
                Ok(proxy) => Ok(agent(&patience, Some(proxy))),
                Err(_) => Err(names.to_string()),
            })
        };
        Self {
            network,
            patience,
            direct: agent(&patience, None),
            http: proxied(&network.http_proxy, "HTTP_PROXY"),
            https: proxied(&network.https_proxy, "HTTPS_PROXY"),
        }
    }

    /// Asks for the content from this byte on.
    pub(super) fn get(&self, url: &str, from: u64) -> Result<Answer, Trouble> {
        self.send(Method::GET, url, from, Redirects::All)
    }

    pub(super) fn head(&self, url: &str) -> Result<Answer, Trouble> {
        self.send(Method::HEAD, url, 0, Redirects::SameHost)
    }

    fn send(
        &self,
        method: Method,
        url: &str,
        from: u64,
        redirects: Redirects,
    ) -> Result<Answer, Trouble> {
        let first = address(url)?;
        let mut here = first.clone();
        for _ in 0..=REDIRECTS {
            let request = self.request(&method, &here, from)?;
            let response = self.agent(&here)?.run(request);
            let response = response.map_err(|error| Trouble::transport(error, &self.patience))?;
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
        Err(Trouble::Lasting(format!(
            "redirects more than {REDIRECTS} times"
        )))
    }

    fn request(&self, method: &Method, url: &Uri, from: u64) -> Result<Request<()>, Trouble> {
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
            .map_err(|error| Trouble::Lasting(error.to_string()))
    }

    fn agent(&self, url: &Uri) -> Result<&Agent, Trouble> {
        let proxied = match url.scheme() == Some(&Scheme::HTTPS) {
            true => &self.https,
            false => &self.http,
        };
        let host = url.host().unwrap_or_default();
        match proxied {
            Some(agent) if !is_exempt(&self.network.no_proxy, host, port(url)) => {
                agent.as_ref().map_err(|name| {
                    Trouble::Lasting(format!(
                        "`{name}` is no address of a proxy, expected `http://host:port`"
                    ))
                })
            }
            _ => Ok(&self.direct),
        }
    }
}

fn agent(patience: &Patience, proxy: Option<Proxy>) -> Agent {
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier);
    let config = Agent::config_builder()
        .tls_config(tls.build())
        .proxy(proxy)
        .user_agent(concat!("resnet-burn/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_resolve(Some(patience.connect))
        .timeout_connect(Some(patience.connect))
        .timeout_recv_response(Some(patience.response))
        .timeout_per_read(Some(patience.idle))
        .timeout_per_write(Some(patience.idle));
    config.build().new_agent()
}

fn address(url: &str) -> Result<Uri, Trouble> {
    let uri = url.parse::<Uri>().ok();
    let fit = uri.filter(|uri| {
        let web = [Some("http"), Some("https")].contains(&uri.scheme_str());
        web && uri.host().is_some_and(|host| !host.is_empty())
    });
    fit.ok_or_else(|| Trouble::Lasting(format!("{url:?} is no address of the web")))
}

/// Where an answer points on to.
fn redirect<B>(here: &Uri, response: &Response<B>) -> Result<Option<Uri>, Trouble> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = response.headers().get(header::LOCATION);
    let Some(location) = location.and_then(|value| value.to_str().ok()) else {
        return Ok(None);
    };
    let next = address(&join(here, location))?;
    if here.scheme() == Some(&Scheme::HTTPS) && next.scheme() != Some(&Scheme::HTTPS) {
        return Err(Trouble::Lasting(format!(
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

/// Scheme, host and port: what a token may be sent to.
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
    fn a_redirect_is_read_as_a_browser_does() {
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
    fn https_is_not_left() {
        let answer = |location| {
            let answer = Response::builder().status(302);
            answer.header("location", location).body(()).unwrap()
        };
        let here = address("https://host/a").unwrap();
        let error = redirect(&here, &answer("http://host/a")).unwrap_err();
        assert!(matches!(error, Trouble::Lasting(reason) if reason.contains("not encrypted")));
        assert!(redirect(&here, &answer("ftp://host/a")).is_err());
        assert!(redirect(&here, &answer("https://cdn/a")).unwrap().is_some());
        let here = address("http://host/a").unwrap();
        assert!(redirect(&here, &answer("http://cdn/a")).unwrap().is_some());
    }

    #[test]
    fn only_the_web_has_addresses() {
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
