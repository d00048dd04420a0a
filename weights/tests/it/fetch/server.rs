//! A web server that does what a script says, one thread and one request a connection.

#![allow(dead_code, reason = "the tests of resnet-infer use a part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    /// How many requests came before.
    pub(super) number: usize,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(&found.1)
    }

    pub(super) fn start(&self) -> Option<usize> {
        let range = self.header("range")?.strip_prefix("bytes=")?;
        range.strip_suffix('-')?.parse().ok()
    }
}

pub(super) struct Reply {
    stream: TcpStream,
    sent: Arc<Mutex<Vec<usize>>>,
    number: usize,
}

impl Reply {
    pub(super) fn head(&mut self, status: &str, headers: &[(&str, &str)]) {
        let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let _ = self.stream.write_all(format!("{head}\r\n").as_bytes());
    }

    /// Whether the other side still listens.
    pub(super) fn send(&mut self, bytes: &[u8]) -> bool {
        let listens = self.stream.write_all(bytes).is_ok();
        if listens {
            self.sent.lock().unwrap()[self.number] += bytes.len();
        }
        listens
    }

    pub(super) fn ok(&mut self, content: &[u8]) {
        self.head("200 OK", &[("Content-Length", &content.len().to_string())]);
        self.send(content);
    }

    /// Announces the rest from the first byte asked for, and sends this much of it.
    pub(super) fn some(&mut self, request: &Request, content: &[u8], count: usize) {
        let Some(start) = request.start() else {
            self.head("200 OK", &[("Content-Length", &content.len().to_string())]);
            self.send(&content[..count.min(content.len())]);
            return;
        };
        let length = content.len();
        if start >= length {
            let range = format!("bytes */{length}");
            return self.head("416 Range Not Satisfiable", &[("Content-Range", &range)]);
        }
        let range = format!("bytes {start}-{}/{length}", length - 1);
        let rest = (length - start).to_string();
        let headers = [("Content-Range", &*range), ("Content-Length", &*rest)];
        self.head("206 Partial Content", &headers);
        self.send(&content[start..(start + count).min(length)]);
    }

    pub(super) fn file(&mut self, request: &Request, content: &[u8]) {
        self.some(request, content, content.len());
    }

    /// Sends nothing more until the other side leaves.
    pub(super) fn stall(&mut self) {
        let _ = self.stream.read(&mut [0; 1]);
    }
}

#[derive(Clone)]
pub(super) struct Server {
    pub(super) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    sent: Arc<Mutex<Vec<usize>>>,
}

impl Server {
    pub(super) fn new(script: impl Fn(&Request, &mut Reply) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self {
            url,
            requests: Arc::default(),
            sent: Arc::default(),
        };
        let (log, script) = (server.clone(), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, script) = (log.clone(), script.clone());
                thread::spawn(move || log.answer(stream.unwrap(), script.as_ref()));
            }
        });
        server
    }

    /// Has this one file, under every name.
    pub(super) fn with_file(content: &[u8]) -> Self {
        let content = content.to_vec();
        Self::new(move |request, reply| reply.file(request, &content))
    }

    fn answer(&self, stream: TcpStream, script: &dyn Fn(&Request, &mut Reply)) {
        let Some(mut request) = read_head(&stream) else {
            return;
        };
        let number = {
            let mut requests = self.requests.lock().unwrap();
            request.number = requests.len();
            requests.push(request.clone());
            self.sent.lock().unwrap().push(0);
            request.number
        };
        let sent = self.sent.clone();
        let mut reply = Reply {
            stream,
            sent,
            number,
        };
        script(&request, &mut reply);
        let _ = reply.stream.shutdown(Shutdown::Write);
        // So that what was sent arrives, and is not cut off by a reset.
        let _ = reply.stream.set_read_timeout(Some(Duration::from_secs(5)));
        let _ = reply.stream.read(&mut [0; 1]);
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub(super) fn gets(&self) -> Vec<Request> {
        let all = self.requests().into_iter();
        all.filter(|request| request.method == "GET").collect()
    }

    /// Bytes of content sent for each request.
    pub(super) fn sent(&self) -> Vec<usize> {
        self.sent.lock().unwrap().clone()
    }
}

pub(super) fn read_head(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.into(), words.next()?.into());
    let mut headers = Vec::new();
    for line in lines {
        let line = line.ok()?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ")?;
        headers.push((name.into(), value.into()));
    }
    Some(Request {
        method,
        path,
        headers,
        number: 0,
    })
}

/// Waits for something another thread or process does.
pub(super) fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}
