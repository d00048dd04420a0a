use std::io::{self, Read};

use ureq::http::{HeaderMap, StatusCode, header};

use super::client::{Answer, Client};
use super::hub::number;
use super::part::Part;
use super::trouble::{Pauses, Trouble};
use crate::fetch::digest::Pin;
use crate::fetch::fetcher::Fetch;

/// What is to be downloaded.
pub(super) struct Target<'a> {
    pub(super) name: &'a str,
    pub(super) url: &'a str,
    pub(super) pin: Pin,
    /// Where it is known before the download.
    pub(super) size: Option<u64>,
    pub(super) max_bytes: u64,
}

/// One source of one file, asked until the part is whole.
pub(super) struct Transfer<'a> {
    pub(super) fetch: &'a Fetch,
    pub(super) client: &'a Client<'a>,
    pub(super) target: Target<'a>,
    pub(super) part: &'a mut Part,
}

impl Transfer<'_> {
    /// Returns the sha256 of the whole file, which is the right one.
    ///
    /// What is worth keeping for a later call is in the part when it fails; otherwise the part is empty.
    pub(super) fn run(&mut self) -> Result<String, Trouble> {
        let mut pauses = Pauses {
            fetch: self.fetch,
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
            let trouble = match self.request() {
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
                    return Err(Trouble::Lasting(reason));
                }
                Err(trouble) => trouble,
            };
            // Only new ground counts: a server that always stops at the same byte would be asked for ever.
            if self.part.length() > furthest {
                furthest = self.part.length();
                pauses.failed = 0;
                pauses.arrived = true;
            }
            pauses.wait(trouble)?;
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
        self.fetch.progress.note(&note);
    }

    /// Asks for what is missing, and adds all that comes to the part.
    fn request(&mut self) -> Result<(), Trouble> {
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
                    self.note("the server cannot go on from the middle; starting over");
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
                    return Err(Trouble::passing(
                        "sent another part of the file than asked for",
                    ));
                }
            },
            StatusCode::RANGE_NOT_SATISFIABLE if start > 0 => {
                self.part.restart()?;
                return Err(Trouble::passing(
                    "the file ends before the part that is here",
                ));
            }
            _ => return Err(Trouble::status(&answer.response, answer.elsewhere)),
        };
        self.receive(answer, self.target.size.or(total))
    }

    /// The part is left as it is: an answer of another size may come from a proxy that wants a login.
    fn check_size(&self, total: Option<u64>) -> Result<(), Trouble> {
        match (total, self.target.size) {
            (Some(total), Some(size)) if size != total => Err(Trouble::Lasting(format!(
                "declares {total} bytes, expected {size}"
            ))),
            (Some(total), _) if total > self.target.max_bytes => {
                Err(Trouble::too_large(total, self.target.max_bytes))
            }
            _ => Ok(()),
        }
    }

    fn receive(&mut self, answer: Answer, total: Option<u64>) -> Result<(), Trouble> {
        let limit = total.unwrap_or(self.target.max_bytes);
        let done = self.part.length();
        let progress = self.fetch.progress.as_ref();
        let mut advance = progress.begin(self.target.name, total, done);
        let mut body = answer.response.into_body().into_reader();
        let mut buffer = vec![0; 1 << 17];
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let patience = &self.fetch.patience;
                    return Err(Trouble::transport(error.into(), patience));
                }
            };
            if self.part.length() + count as u64 > limit {
                self.part.restart()?;
                let reason =
                    format!("sends more than {limit} bytes, which is all it may have; removed");
                return Err(Trouble::Lasting(reason));
            }
            self.part.append(&buffer[..count])?;
            advance(count as u64);
        }
        match total {
            Some(total) if self.part.length() < total => Err(Trouble::passing(format!(
                "the connection ended after {} of {total} bytes",
                self.part.length()
            ))),
            _ => Ok(()),
        }
    }
}

/// The first byte and the size of the whole, from `bytes 100-199/200`.
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
