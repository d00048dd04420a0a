//! The transfer of one file from one address, with resume and retries.

use std::io::{self, Read};

use ureq::http::{HeaderMap, StatusCode, header};

use super::backoff::Backoff;
use super::client::{Answer, Client};
use super::error::DownloadError;
use super::hub_hash::number;
use super::part::Part;
use crate::fetch::digest::Pin;
use crate::fetch::session::Session;

/// The file to download.
pub(super) struct Target<'a> {
    pub(super) name: &'a str,
    pub(super) url: &'a str,
    pub(super) pin: Pin,
    /// The size in bytes, if known before the download.
    pub(super) size: Option<u64>,
    pub(super) max_bytes: u64,
}

/// Downloads from one address until the part is complete.
pub(super) struct Transfer<'a> {
    pub(super) session: &'a Session,
    pub(super) client: &'a Client<'a>,
    pub(super) target: Target<'a>,
    pub(super) part: &'a mut Part,
}

impl Transfer<'_> {
    /// Downloads the file and returns its SHA-256, which is verified.
    ///
    /// After an error, the part is empty or contains bytes that a later call can resume.
    pub(super) fn run(&mut self) -> Result<String, DownloadError> {
        let mut backoff = Backoff {
            session: self.session,
            what: self.target.name,
            failed: 0,
            arrived: false,
        };
        if self.part.length() > self.target.size.unwrap_or(self.target.max_bytes) {
            self.part.restart()?;
        }
        let mut furthest = self.part.length();
        let mut resumed = false;
        let mut restarted = false;
        loop {
            resumed |= self.part.length() > 0;
            let error = match self.request() {
                _ if self.is_right() => return Ok(self.part.sha256()),
                Ok(()) if resumed && !restarted => {
                    self.note(&format!("{}; starting over", self.wrong()));
                    self.part.restart()?;
                    (furthest, resumed, restarted) = (0, false, true);
                    continue;
                }
                Ok(()) => {
                    let reason = format!("{}; removed", self.wrong());
                    self.part.restart()?;
                    return Err(DownloadError::Permanent(reason));
                }
                Err(error) => error,
            };
            // Count only new bytes as progress: a server may stop at the same byte every time.
            if self.part.length() > furthest {
                furthest = self.part.length();
                backoff.failed = 0;
                backoff.arrived = true;
            }
            backoff.wait(error)?;
        }
    }

    fn is_right(&self) -> bool {
        self.part.length() > 0 && self.target.pin.matches(&self.part.sha256())
    }

    fn wrong(&self) -> String {
        let (found, expected) = (self.part.sha256(), self.target.pin.as_str());
        format!("the download has the sha256 {found}, expected {expected}")
    }

    fn note(&self, message: &str) {
        let note = format!("`{}`: {message}", self.target.name);
        self.session.note(&note);
    }

    /// Requests the missing bytes and appends them to the part.
    fn request(&mut self) -> Result<(), DownloadError> {
        let start = self.part.length();
        if self.is_right() || self.target.size == Some(start) {
            return Ok(());
        }
        let answer = self.client.get(self.target.url, start)?;
        let headers = answer.response.headers();
        let total = match answer.response.status() {
            StatusCode::OK => {
                let total = number(headers, header::CONTENT_LENGTH.as_str());
                self.check_size(total)?;
                if start > 0 {
                    self.note("the server cannot resume the download; starting over");
                    self.part.restart()?;
                }
                total
            }
            StatusCode::PARTIAL_CONTENT => match content_range(headers) {
                Some((first, total)) if first == start => {
                    self.check_size(total)?;
                    total
                }
                _ => {
                    self.part.restart()?;
                    return Err(DownloadError::transient(
                        "sent another range than requested",
                    ));
                }
            },
            StatusCode::RANGE_NOT_SATISFIABLE if start > 0 => {
                self.part.restart()?;
                return Err(DownloadError::transient(
                    "the file is shorter than the part on this machine",
                ));
            }
            _ => return Err(DownloadError::status(&answer.response, answer.elsewhere)),
        };
        self.receive(answer, self.target.size.or(total))
    }

    /// Checks the declared size. An error keeps the part: the answer may come from a proxy's login
    /// page.
    fn check_size(&self, total: Option<u64>) -> Result<(), DownloadError> {
        match (total, self.target.size) {
            (Some(total), Some(size)) if size != total => Err(DownloadError::Permanent(format!(
                "declares {total} bytes, expected {size}"
            ))),
            (Some(total), _) if total > self.target.max_bytes => {
                Err(DownloadError::too_large(total, self.target.max_bytes))
            }
            _ => Ok(()),
        }
    }

    fn receive(&mut self, answer: Answer, total: Option<u64>) -> Result<(), DownloadError> {
        let limit = total.unwrap_or(self.target.max_bytes);
        let done = self.part.length();
        let progress = self.session.progress.as_ref();
        let mut advance = progress.begin(self.target.name, total, done);
        let mut body = answer.response.into_body().into_reader();
        let mut buffer = vec![0; 1 << 17];
        loop {
            let canceled = self.session.check_canceled(self.target.name);
            canceled.map_err(DownloadError::Local)?;
            let count = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let policy = &self.session.retry_policy;
                    return Err(DownloadError::transport(error.into(), policy));
                }
            };
            if self.part.length() + count as u64 > limit {
                self.part.restart()?;
                let reason =
                    format!("sends more than {limit} bytes, the limit for this file; removed");
                return Err(DownloadError::Permanent(reason));
            }
            self.part.append(&buffer[..count])?;
            advance(count as u64);
        }
        match total {
            Some(total) if self.part.length() < total => Err(DownloadError::transient(format!(
                "the connection ended after {} of {total} bytes",
                self.part.length()
            ))),
            _ => Ok(()),
        }
    }
}

/// Returns the first byte and the total size: 100 and 200 for `bytes 100-199/200`.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let value = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
    let first = range.split_once('-')?.0.trim().parse().ok()?;
    Some((first, total.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_has_a_start_and_perhaps_a_total() {
        let parse = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_RANGE, value.parse().unwrap());
            content_range(&headers)
        };
        assert_eq!(parse("bytes 100-199/200"), Some((100, Some(200))));
        assert_eq!(parse("bytes 100-199/*"), Some((100, None)));
        for bad in [
            "bytes */200",
            "100-199/200",
            "bytes x-1/2",
            "bytes 18446744073709551616-1/2",
            "",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
