//! Downloads through a proxy.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use resnet_testing::server::{Server, read_head};

use super::child::{printed, start};
use super::{Place, content, url_name, url_weights};

/// Starts a proxy that connects every request to one server.
fn proxy(server: &Server) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://user:pass@{}", listener.local_addr().unwrap());
    let target = server.url.trim_start_matches("http://").to_string();
    let log = Arc::new(Mutex::new(Vec::new()));
    let asked = log.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let request = read_head(&stream).unwrap();
            let who = request.header("proxy-authorization").unwrap_or_default();
            let line = format!("{} {} {who}", request.method, request.path);
            asked.lock().unwrap().push(line);
            io::Write::write_all(&mut &stream, b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let server = TcpStream::connect(&target).unwrap();
            for (mut from, mut to) in [
                (stream.try_clone().unwrap(), server.try_clone().unwrap()),
                (server, stream),
            ] {
                thread::spawn(move || {
                    let _ = io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    (url, log)
}

fn server(bytes: &[u8]) -> Server {
    let bytes = bytes.to_vec();
    Server::new(move |request, reply| reply.file(request, &bytes))
}

#[test]
fn a_proxy_from_the_environment_is_used() {
    let bytes = content(1000);
    let server = server(&bytes);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        let (address, asked) = proxy(&server);
        let place = Place::new().with(name, &address);
        let url = format!("http://zoo.invalid/{}", url_name(&bytes));
        let output = start(&place, &[], &url, &bytes).wait_with_output().unwrap();
        let output = printed(output);
        assert!(output.contains("found Downloaded"), "{name}: {output}");
        let asked = asked.lock().unwrap().clone();
        assert_eq!(
            asked,
            ["CONNECT zoo.invalid:80 Basic dXNlcjpwYXNz"],
            "{name}"
        );
    }
}

#[test]
fn proxies_depend_on_the_scheme_and_no_proxy() {
    let bytes = content(1000);
    let server = server(&bytes);
    let (address, asked) = proxy(&server);
    let https = Place::new().with("HTTPS_PROXY", &address);
    https.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
    let exempt = Place::new()
        .with("HTTP_PROXY", &address)
        .with("NO_PROXY", "127.0.0.1");
    exempt.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
    assert!(asked.lock().unwrap().is_empty());
}

#[test]
fn the_error_of_an_invalid_proxy_hides_its_password() {
    let server = server(b"x");
    let place = Place::new().with("HTTP_PROXY", "gopher://user:secret@proxy");
    let error = place.error(&url_weights(&server, b"x"));
    assert!(error.contains("`HTTP_PROXY` is not a proxy URL"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}
