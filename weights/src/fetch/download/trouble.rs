use std::io;
use std::time::Duration;

use ureq::http::{Response, StatusCode, header};

use crate::fetch::error::FetchError;
use crate::fetch::fetcher::Fetch;
use crate::fetch::patience::Patience;

/// Why a request brought nothing.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It may be over soon; the server may have said when.
    Passing {
        reason: String,
        pause: Option<Duration>,
    },
    /// There is no way to the server: this machine may have no network at all.
    Unreachable(String),
    /// Asking the same place again is of no use.
    Lasting(String),
    /// It lies with this machine, so no other place will do better.
    Here(FetchError),
}

const NETWORK: &str = "check the network and `HTTPS_PROXY`";

const CERTIFICATES: &str = "check the clock and the certificates of this system (`ca-certificates`, `SSL_CERT_FILE`); behind \
    a proxy that reads along, its certificate has to be among them";

impl Trouble {
    pub(super) fn passing(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Passing {
            reason,
            pause: None,
        }
    }

    pub(super) fn too_large(size: u64, max_bytes: u64) -> Self {
        Self::Lasting(format!(
            "declares {size} bytes, expected at most {max_bytes} for these weights"
        ))
    }

    /// What an answer without the file says, `at` another host than the one asked.
    pub(super) fn status<B>(response: &Response<B>, at: Option<String>) -> Self {
        let status = response.status();
        let at = at.map_or_else(String::new, |host| format!(" at {host}"));
        let reason = format!("answered {status}{at}");
        match status {
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            }
            status if status.is_server_error() => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Self::Lasting(format!("{reason}; a token may be needed (`HF_TOKEN`)"));
            }
            _ => return Self::Lasting(reason),
        }
        let pause = response.headers().get(header::RETRY_AFTER);
        let pause = pause.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let pause = pause.map(Duration::from_secs);
        Self::Passing { reason, pause }
    }

    pub(super) fn transport(error: ureq::Error, patience: &Patience) -> Self {
        use ureq::Timeout;
        let within =
            |what: &str, limit: Duration| Self::passing(format!("{what} within {limit:?}"));
        match error {
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => Self::Unreachable(
                format!("no connection within {:?}; {NETWORK}", patience.connect),
            ),
            ureq::Error::Timeout(Timeout::RecvResponse) => within("no answer", patience.response),
            ureq::Error::Timeout(_) => within("no data", patience.idle),
            ureq::Error::HostNotFound => Self::Unreachable(format!("no such host; {NETWORK}")),
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                Self::Lasting(format!("{error}; {CERTIFICATES}"))
            }
            ureq::Error::Io(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof => Self::passing("the connection ended early"),
                io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
                    Self::passing(error.to_string())
                }
                _ => Self::Unreachable(format!("{error}; {NETWORK}")),
            },
            ureq::Error::Rustls(error) => Self::Lasting(format!("{error}; {CERTIFICATES}")),
            error @ (ureq::Error::ConnectionFailed
            | ureq::Error::BodyStalled
            | ureq::Error::Protocol(_)) => Self::passing(error.to_string()),
            error => Self::Lasting(error.to_string()),
        }
    }
}

/// Counts the requests in a row that bring nothing, and waits between them.
pub(super) struct Pauses<'a> {
    pub(super) fetch: &'a Fetch,
    pub(super) what: &'a str,
    pub(super) failed: u32,
    /// Whether anything ever came: then there is a network, and it will be there again.
    pub(super) arrived: bool,
}

impl Pauses<'_> {
    /// Waits after trouble that may pass, unless it came too often; other trouble is handed back.
    pub(super) fn wait(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        let (reason, pause, unreachable) = match trouble {
            Trouble::Passing { reason, pause } => (reason, pause, false),
            Trouble::Unreachable(reason) => (reason, None, true),
            lasting => return Err(lasting),
        };
        self.failed += 1;
        let Patience {
            attempts,
            first_pause,
            longest_pause,
            ..
        } = self.fetch.patience;
        // Someone without a network should not have to wait to be told so.
        let attempts = match unreachable && !self.arrived {
            true => attempts.min(2),
            false => attempts,
        };
        if self.failed >= attempts {
            return Err(Trouble::Lasting(match self.failed {
                1 => reason,
                failed => format!("{reason}, {failed} times in a row"),
            }));
        }
        // Jitter, so that many machines that failed together do not come back together.
        let doubled = first_pause.saturating_mul(1 << (self.failed - 1).min(20));
        let pause = pause.unwrap_or_else(|| doubled.saturating_mul(fastrand::u32(75..=125)) / 100);
        let pause = pause.min(longest_pause);
        let note = format!(
            "`{}`: {reason}; asking again in {:.1} s",
            self.what,
            pause.as_secs_f64()
        );
        self.fetch.progress.note(&note);
        std::thread::sleep(pause);
        Ok(())
    }
}
