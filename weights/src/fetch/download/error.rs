//! The causes of failed requests to a server.

use std::io;
use std::time::Duration;

use ureq::http::{Response, StatusCode, header};

use crate::fetch::error::FetchError;
use crate::fetch::retry_policy::RetryPolicy;

/// The cause of a failed request.
#[derive(Debug)]
pub(super) enum DownloadError {
    /// A retry may succeed. The server may have stated how long to wait.
    Transient {
        reason: String,
        pause: Option<Duration>,
    },
    /// The server cannot be reached. This machine may have no network.
    Unreachable(String),
    /// A retry at the same address cannot succeed.
    Permanent(String),
    /// The cause is on this machine, so no other address can succeed.
    Local(FetchError),
}

const CERTIFICATES: &str = "check the clock and the certificates of this system (`ca-certificates`, `SSL_CERT_FILE`); behind \
    a proxy that reads along, its certificate has to be among them";

impl DownloadError {
    pub(super) fn transient(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Transient {
            reason,
            pause: None,
        }
    }

    pub(super) fn too_large(size: u64, max_bytes: u64) -> Self {
        Self::Permanent(format!(
            "declares {size} bytes, expected at most {max_bytes} for these weights"
        ))
    }

    /// Converts the status of a response without the file. `at` is the host that a redirect led to.
    pub(super) fn status<B>(response: &Response<B>, at: Option<String>) -> Self {
        let status = response.status();
        let at = at.map_or_else(String::new, |host| format!(" at {host}"));
        let reason = format!("answered {status}{at}");
        match status {
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            }
            status if status.is_server_error() => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Self::Permanent(format!("{reason}; a token may be needed (`HF_TOKEN`)"));
            }
            _ => return Self::Permanent(reason),
        }
        let pause = response.headers().get(header::RETRY_AFTER);
        let pause = pause.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let pause = pause.map(Duration::from_secs);
        Self::Transient { reason, pause }
    }

    /// Converts a connection error.
    pub(super) fn transport(error: ureq::Error, policy: &RetryPolicy) -> Self {
        use ureq::Timeout;
        let within =
            |what: &str, limit: Duration| Self::transient(format!("{what} within {limit:?}"));
        match error {
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                Self::Unreachable(format!("no connection within {:?}", policy.connect))
            }
            ureq::Error::Timeout(Timeout::RecvResponse) => within("no answer", policy.response),
            ureq::Error::Timeout(_) => within("no data", policy.idle),
            ureq::Error::HostNotFound => Self::Unreachable("no such host".into()),
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                Self::Permanent(format!("{error}; {CERTIFICATES}"))
            }
            ureq::Error::Io(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof => Self::transient("the connection ended early"),
                io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
                    Self::transient(error.to_string())
                }
                _ => Self::Unreachable(error.to_string()),
            },
            ureq::Error::Rustls(error) => Self::Permanent(format!("{error}; {CERTIFICATES}")),
            error @ (ureq::Error::ConnectionFailed
            | ureq::Error::BodyStalled
            | ureq::Error::Protocol(_)) => Self::transient(error.to_string()),
            error => Self::Permanent(error.to_string()),
        }
    }
}
