//! Tests of the rendezvous and the sums.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::*;

const SECRET: &[u8] = b"of sixteen bytes";

/// Returns an address with a free port.
fn address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn meet(address: &str, rank: usize, greeting: &str, patience: u64) -> Result<Peers, PeersError> {
    Peers::meet(address, rank, 3, greeting, Duration::from_millis(patience))
}

fn secretly(
    address: &str,
    rank: usize,
    greeting: &str,
    secret: &[u8],
) -> Result<Peers, PeersError> {
    let patience = Duration::from_secs(20);
    Peers::meet_with(address, rank, 3, greeting, patience, Some(secret))
}

fn refused(result: Result<Peers, PeersError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn three_processes_get_equal_sums_repeatedly() {
    let address = address();
    let work = |rank: usize| {
        let address = address.clone();
        thread::spawn(move || {
            let mut peers = meet(&address, rank, "a", 20_000).unwrap();
            let mut sums = Vec::new();
            for step in 0..4 {
                let mut values = vec![rank as f32, step as f32, 0.1];
                peers.sum(&mut values).unwrap();
                sums.push(values);
            }
            sums
        })
    };
    // Rank 0 starts last.
    let threads = [2, 1, 0].map(work);
    let sums = threads.map(|thread| thread.join().unwrap());
    assert!(sums[0] == sums[1] && sums[1] == sums[2]);
    assert_eq!(sums[0][3], [3.0, 9.0, 0.1 + 0.1 + 0.1]);
}

#[test]
fn missing_and_lost_processes_are_reported() {
    let error = refused(meet(&address(), 0, "a", 50));
    assert!(
        error.contains("expected 3 processes within 0 s, found 1 and 0 connections"),
        "{error}"
    );
    let error = refused(meet(&address(), 1, "a", 50));
    assert!(
        error.contains("expected an address where rank 0 waits"),
        "{error}"
    );
    assert!(matches!(
        meet("nowhere", 0, "a", 50),
        Err(PeersError::Address { .. })
    ));
    assert!(matches!(
        meet(&address(), 3, "a", 50),
        Err(PeersError::Rank { .. })
    ));

    let place = address();
    let leave = |rank: usize| {
        let place = place.clone();
        thread::spawn(move || drop(meet(&place, rank, "a", 20_000).unwrap()))
    };
    let others = [1, 2].map(leave);
    let mut peers = meet(&place, 0, "a", 20_000).unwrap();
    for thread in others {
        thread.join().unwrap();
    }
    let error = peers.sum(&mut [1.0]).unwrap_err().to_string();
    assert!(error.starts_with("rank 1 is gone"), "{error}");
}

#[test]
fn another_greeting_ends_both_ranks_with_a_secret_and_only_the_other_without() {
    let place = address();
    let other = thread::spawn({
        let place = place.clone();
        move || refused(secretly(&place, 2, "epochs 3", SECRET))
    });
    let start = Instant::now();
    let error = refused(secretly(&place, 0, "epochs 4", SECRET));
    assert!(
        error.starts_with("rank 2 does not fit: expected 3 epochs 4, found 3 epochs 3"),
        "{error}"
    );
    assert!(start.elapsed() < Duration::from_secs(15));
    let error = other.join().unwrap();
    assert!(
        error.starts_with(
            "rank 0 does not fit: expected 3 epochs 3, found other flags, or epochs 4"
        ),
        "{error}"
    );

    let place = address();
    let other = thread::spawn({
        let place = place.clone();
        move || refused(meet(&place, 2, "epochs 3", 20_000))
    });
    let error = refused(meet(&place, 0, "epochs 4", 1_000));
    assert!(error.starts_with("rank 2 does not fit"), "{error}");
    assert!(other.join().unwrap().starts_with("rank 0 does not fit"));
}

#[test]
fn a_secret_guards_addresses_that_others_can_reach() {
    for open in ["0.0.0.0:0", "[::]:0", "192.0.2.7:4500"] {
        for rank in [0, 1] {
            let error = refused(meet(open, rank, "a", 50));
            assert!(
                error.contains("no secret") && error.contains("set RESNET_MEET_SECRET"),
                "{error}"
            );
        }
    }
    for here in [
        "127.0.0.1:0",
        "127.9.9.9:0",
        "localhost:0",
        "[::ffff:127.0.0.1]:0",
    ] {
        let error = meet(here, 0, "a", 50).unwrap_err();
        assert!(!matches!(error, PeersError::Open { .. }), "{here}: {error}");
    }
    let error = refused(secretly("0.0.0.0:0", 0, "a", b"short"));
    assert!(
        error.contains("expected 16 bytes or more, found 5"),
        "{error}"
    );
    let patience = Duration::from_millis(50);
    let error = Peers::meet_with("0.0.0.0:0", 0, 3, "a", patience, Some(SECRET));
    assert!(matches!(error, Err(PeersError::Missing { .. })));
}

/// Foreign connections: silent ones, garbage, the greeting of an earlier version, half a message,
/// another secret.
#[test]
fn foreign_connections_neither_end_nor_delay_the_rendezvous() {
    let place = address();
    let first = thread::spawn({
        let place = place.clone();
        move || secretly(&place, 0, "a", SECRET)
    });
    let connect = || loop {
        match TcpStream::connect(&place) {
            Ok(link) => break link,
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    };
    let silent: Vec<TcpStream> = (0..200).map(|_| connect()).collect();
    let mut garbage = Vec::new();
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x09\0\0\0\0\0\0\x001 2 hello",
        &[0xff; 4096],
        b"resnet-train 2\r\n",
        &[b"resnet-train 2\r\n", &[1; 32][..], &[255; 200]].concat(),
    ] {
        let mut link = connect();
        let _ = link.write_all(bytes);
        garbage.push(link);
    }
    let error = refused(secretly(&place, 1, "a", b"another secret of 20"));
    assert!(error.contains("set the same RESNET_MEET_SECRET"), "{error}");
    let error = refused(meet(&place, 1, "a", 20_000));
    assert!(error.contains("set the same RESNET_MEET_SECRET"), "{error}");
    // Rank 0 sends nothing before the first message, and its greeting only after the proof.
    let mut link = connect();
    let mut hello = [0; 48];
    link.set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    assert!(link.read(&mut hello).is_err());
    link.write_all(&[b"resnet-train 2\r\n", &[1; 32][..]].concat())
        .unwrap();
    link.read_exact(&mut hello).unwrap();
    assert!(link.read(&mut hello).is_err());

    let start = Instant::now();
    let others = [1, 2].map(|rank| {
        let place = place.clone();
        thread::spawn(move || secretly(&place, rank, "a", SECRET))
    });
    let mut all = vec![first.join().unwrap().unwrap()];
    all.extend(others.map(|other| other.join().unwrap().unwrap()));
    assert!(start.elapsed() < Duration::from_secs(8));
    let threads: Vec<_> = all
        .into_iter()
        .map(|mut peers| {
            thread::spawn(move || {
                let mut values = [1.0];
                peers.sum(&mut values).unwrap();
                values
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), [3.0]);
    }
    drop((silent, garbage));
}

#[test]
fn a_rank_is_taken_until_its_process_ends() {
    let place = address();
    let first = thread::spawn({
        let place = place.clone();
        move || secretly(&place, 0, "a", SECRET)
    });
    let early = secretly(&place, 1, "a", SECRET).unwrap();
    let error = refused(secretly(&place, 1, "a", SECRET));
    assert!(error.contains("expected rank 1 to be free"), "{error}");
    drop(early);
    let again = secretly(&place, 1, "a", SECRET).unwrap();
    let second = secretly(&place, 2, "a", SECRET).unwrap();
    assert_eq!(first.join().unwrap().unwrap().count(), 3);
    drop((again, second));
}
