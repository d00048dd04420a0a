//! Downloads a file of weights into our cache.

mod backoff;
mod client;
mod error;
mod hub_hash;
mod part;
mod proxy;
mod transfer;

use std::fs;

use resnet_files::write_atomically;

use client::Client;
use error::DownloadError;
use part::Part;
use transfer::{Target, Transfer};

use super::error::{Failure, FetchError};
use super::found::{Found, Origin};
use super::hash_file;
use super::request::FileRequest;
use super::session::Session;
use super::source::Address;
use crate::PublishedFile;

/// Tries one address after another.
pub(super) fn download(
    session: &Session,
    weights: PublishedFile<'_>,
    requests: &[FileRequest],
) -> Result<Found, FetchError> {
    let folder = &session.settings.cache;
    fs::create_dir_all(folder).map_err(|source| FetchError::Folder {
        path: folder.clone(),
        source,
    })?;
    let client = Client::new(&session.settings.network, session.retry_policy);
    let sources = session.sources();
    let addresses: Vec<_> = sources.on_the_network(requests).collect();
    let mut failures = Vec::new();
    for (request, address) in &addresses {
        let downloaded = from(session, &client, request, address, weights.max_bytes);
        let (reason, reachable) = match downloaded {
            Ok(found) => return Ok(found),
            Err(DownloadError::Local(error)) => return Err(error),
            Err(DownloadError::Unreachable(reason)) => (reason, false),
            Err(DownloadError::Transient { reason, .. } | DownloadError::Permanent(reason)) => {
                (reason, true)
            }
        };
        let url = address.url.clone();
        let failure = Failure { url, reason };
        if reachable && failures.len() + 1 < addresses.len() {
            session.note(&format!("{failure}; trying the next source"));
        }
        failures.push(failure);
    }
    let (url, path) = session.by_hand(requests)?;
    let id = weights.id.to_string();
    Err(FetchError::Download {
        id,
        failures,
        url,
        path,
    })
}

/// Asks the hub for the hashes of files that a user put into our cache, and records them. These
/// files are then verified like downloads. If the hub does not answer, they stay without a hash.
pub(super) fn record_missing_hashes(session: &Session, requests: &[FileRequest]) {
    // A user who copies files by hand may have no network, so there are no retries.
    let session = &Session {
        retry_policy: session.retry_policy.short(),
        ..session.clone()
    };
    let client = Client::new(&session.settings.network, session.retry_policy);
    for (request, address) in session.sources().on_the_network(requests) {
        let path = session.cache().path(request);
        if address.pin.is_none()
            && path.is_file()
            && matches!(hash_file::read(&path), Ok(None))
            && let Ok((pin, _)) = hub_hash::ask(session, &client, &address.url)
        {
            let line = hash_file::line(pin.as_str(), &request.name);
            // If this fails, the file stays unverified, and a note says so when it is used.
            let _ = write_atomically(hash_file::path(&path), line.as_bytes());
        }
    }
}

fn from(
    session: &Session,
    client: &Client<'_>,
    request: &FileRequest,
    address: &Address,
    max_bytes: u64,
) -> Result<Found, DownloadError> {
    let (pin, size) = match &address.pin {
        Some(pin) => (pin.clone(), None),
        None => hub_hash::ask(session, client, &address.url)?,
    };
    if let Some(size) = size.filter(|size| *size > max_bytes) {
        return Err(DownloadError::too_large(size, max_bytes));
    }
    let path = session.cache().path(request);
    let mut part = Part::open(&path, &pin, session.progress.as_ref())?;
    let target = Target {
        name: &request.name,
        url: &address.url,
        pin,
        size,
        max_bytes,
    };
    match locked(session, client, request, target, &mut part) {
        Ok(found) if found.origin == Origin::Downloaded => {
            part.finish(&path, &found.sha256)?;
            Ok(found)
        }
        other => {
            // Keep a part only if a later download can resume it.
            if other.is_ok() || part.length() == 0 {
                part.remove()?;
            }
            other
        }
    }
}

/// Downloads the file while this program holds the lock of its part.
fn locked(
    session: &Session,
    client: &Client<'_>,
    request: &FileRequest,
    target: Target<'_>,
    part: &mut Part,
) -> Result<Found, DownloadError> {
    // Another program may have downloaded the file while this one waited for the lock.
    let cache = session.cache();
    if let Some(found) = cache.find(request).map_err(DownloadError::Local)? {
        return Ok(found);
    }
    let mut transfer = Transfer {
        session,
        client,
        target,
        part,
    };
    Ok(Found {
        sha256: transfer.run()?,
        path: cache.path(request),
        origin: Origin::Downloaded,
    })
}
