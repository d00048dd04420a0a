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
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                Self::Unreachable(format!("no connection within {:?}", patience.connect))
            }
            ureq::Error::Timeout(Timeout::RecvResponse) => within("no answer", patience.response),
            ureq::Error::Timeout(_) => within("no data", patience.idle),
            ureq::Error::HostNotFound => Self::Unreachable("no such host".into()),
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                Self::Lasting(format!("{error}; {CERTIFICATES}"))
            }
            ureq::Error::Io(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof => Self::passing("the connection ended early"),
                io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
                    Self::passing(error.to_string())
                }
                _ => Self::Unreachable(error.to_string()),
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
        // Someone without a network should be told so at once, and in one line.
        let no_network = unreachable && !self.arrived;
        let attempts = if no_network {
            attempts.min(2)
        } else {
            attempts
        };
        if self.failed >= attempts {
            return Err(match self.failed {
                _ if no_network => Trouble::Unreachable(reason),
                1 => Trouble::Lasting(reason),
                failed => Trouble::Lasting(format!("{reason}, {failed} times in a row")),
            });
        }
        // Jitter, so that many machines that failed together do not come back together.
        let doubled = first_pause.saturating_mul(1 << (self.failed - 1).min(20));
        let pause = pause.unwrap_or_else(|| doubled.saturating_mul(fastrand::u32(75..=125)) / 100);
        let pause = pause.min(longest_pause);
        if !no_network {
            let (what, seconds) = (self.what, pause.as_secs_f64());
            let note = format!("`{what}`: {reason}; asking again in {seconds:.1} s");
            self.fetch.progress.note(&note);
        }
        std::thread::sleep(pause);
        Ok(())
    }
}
