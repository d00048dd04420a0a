//! Asks the Hugging Face hub for the hash of a file.

use ureq::http::{HeaderMap, header};

use super::backoff::Backoff;
use super::client::{Client, LINKED_ETAG};
use super::error::DownloadError;
use crate::fetch::digest::Pin;
use crate::fetch::session::Session;

/// Asks the hub for the SHA-256 of a file and its size in bytes.
pub(super) fn ask(
    session: &Session,
    client: &Client<'_>,
    url: &str,
) -> Result<(Pin, Option<u64>), DownloadError> {
    let mut backoff = Backoff {
        session,
        what: url,
        failed: 0,
        arrived: false,
    };
    loop {
        match ask_once(client, url) {
            Ok(stated) => return Ok(stated),
            Err(error) => backoff.wait(error)?,
        }
    }
}

fn ask_once(client: &Client<'_>, url: &str) -> Result<(Pin, Option<u64>), DownloadError> {
    let answer = client.head(url)?;
    let status = answer.response.status();
    if !status.is_success() && !status.is_redirection() {
        return Err(DownloadError::status(&answer.response, answer.elsewhere));
    }
    let headers = answer.response.headers();
    let hash = [LINKED_ETAG, header::ETAG.as_str()]
        .iter()
        .find_map(|name| Pin::whole(tag(headers, name)?));
    let Some(hash) = hash else {
        return Err(DownloadError::Permanent(
            "states no sha256 of the file, expected it in `X-Linked-Etag`".into(),
        ));
    };
    let size = number(headers, "x-linked-size");
    let length = number(headers, header::CONTENT_LENGTH.as_str());
    Ok((hash, size.or(length.filter(|_| status.is_success()))))
}

fn tag<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    Some(value.trim_start_matches("W/").trim_matches('"'))
}

pub(super) fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}
