//! From the sources of weights to a file in the cache.

mod client;
mod hub;
mod part;
mod proxy;
mod transfer;
mod trouble;

use std::fs;

use client::Client;
use part::Part;
use transfer::{Target, Transfer};
use trouble::Trouble;

use super::cache::{hash_file, hash_line, recorded};
use super::error::{Failure, FetchError};
use super::fetcher::{Fetch, Found, Origin};
use super::settings::hub_address;
use super::wanted::{Place, Wanted};
use crate::{Weights, write_atomically};

/// Asks one source after the other.
pub(super) fn download(
    fetch: &Fetch,
    weights: &Weights,
    wanted: &[Wanted],
) -> Result<Found, FetchError> {
    fs::create_dir_all(fetch.cache()).map_err(|source| FetchError::Folder {
        path: fetch.cache().to_path_buf(),
        source,
    })?;
    let client = Client::new(&fetch.settings.network, fetch.patience);
    let mut failures = Vec::new();
    for source in wanted {
        let url = address(fetch, source);
        let (reason, reachable) = match from(fetch, &client, source, &url, weights.max_bytes()) {
            Ok(found) => return Ok(found),
            Err(Trouble::Here(error)) => return Err(error),
            Err(Trouble::Unreachable(reason)) => (reason, false),
            Err(Trouble::Passing { reason, .. } | Trouble::Lasting(reason)) => (reason, true),
        };
        let failure = Failure { url, reason };
        if reachable && failures.len() + 1 < wanted.len() {
            let note = format!("{failure}; the next source is tried");
            fetch.progress.note(&note);
        }
        failures.push(failure);
    }
    let (url, path) = fetch.by_hand(wanted);
    let id = weights.id.clone();
    Err(FetchError::Download {
        id,
        failures,
        url,
        path,
    })
}

/// Asks the hub for the hashes of files that someone put into our cache, and records them: the files are checked then
/// like any other. Where the hub does not answer, they stay as they are.
pub(super) fn record_missing_hashes(fetch: &Fetch, wanted: &[Wanted]) {
    // Whoever put a file there by hand may have no network.
    let fetch = &fetch.clone().with_patience(fetch.patience.short());
    let client = Client::new(&fetch.settings.network, fetch.patience);
    for wanted in wanted {
        let path = fetch.our_cache().path(wanted);
        let by_hand = matches!(wanted.place, Place::Hub { .. });
        if by_hand
            && path.is_file()
            && matches!(recorded(&path), Ok(None))
            && let Ok((pin, _)) = hub::ask(fetch, &client, &address(fetch, wanted))
        {
            let line = hash_line(pin.as_str(), &wanted.name);
            // If that fails, the file is as unchecked as before, and that is said.
            let _ = write_atomically(hash_file(&path), line.as_bytes());
        }
    }
}

fn address(fetch: &Fetch, wanted: &Wanted) -> String {
    let network = &fetch.settings.network;
    match (&wanted.place, &network.mirror) {
        (Place::Url { .. }, Some(mirror)) => format!("{mirror}/{}", wanted.name),
        (Place::Url { url, .. }, None) => url.clone(),
        (Place::Hub { repo, file }, _) => hub_address(&network.endpoint, repo, file),
    }
}

fn from(
    fetch: &Fetch,
    client: &Client<'_>,
    wanted: &Wanted,
    url: &str,
    max_bytes: u64,
) -> Result<Found, Trouble> {
    let (pin, size) = match &wanted.place {
        Place::Url { pin, .. } => (pin.clone(), None),
        Place::Hub { .. } => hub::ask(fetch, client, url)?,
    };
    if let Some(size) = size.filter(|size| *size > max_bytes) {
        return Err(Trouble::too_large(size, max_bytes));
    }
    let path = fetch.our_cache().path(wanted);
    let mut part = Part::open(&path, &pin, fetch.progress.as_ref())?;
    let target = Target {
        name: &wanted.name,
        url,
        pin,
        size,
        max_bytes,
    };
    match locked(fetch, client, wanted, target, &mut part) {
        Ok(found) if found.origin == Origin::Downloaded => {
            part.finish(&path, &found.sha256)?;
            Ok(found)
        }
        other => {
            // Only what a later download can go on from is left.
            if other.is_ok() || part.length() == 0 {
                part.remove()?;
            }
            other
        }
    }
}

fn locked(
    fetch: &Fetch,
    client: &Client<'_>,
    wanted: &Wanted,
    target: Target<'_>,
    part: &mut Part,
) -> Result<Found, Trouble> {
    // Another program may have brought the file while this one waited for it.
    let cache = fetch.our_cache();
    if let Some(found) = cache.find(wanted).map_err(Trouble::Here)? {
        return Ok(found);
    }
    let mut transfer = Transfer {
        fetch,
        client,
        target,
        part,
    };
    Ok(Found {
        sha256: transfer.run()?,
        path: cache.path(wanted),
        origin: Origin::Downloaded,
    })
}
