//! A web server that runs a script for each request. Each connection has one thread and one request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The head of a request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method, in capitals.
    pub method: String,
    /// The path with the query.
    pub path: String,
    /// Names and values, in the order sent.
    pub headers: Vec<(String, String)>,
    /// Number of earlier requests.
    pub number: usize,
}

impl Request {
    /// Returns the value of a header. The name is case-insensitive.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(&found.1)
    }

    /// Returns the start of the requested range, or `None` if the request has no `Range: bytes=N-`.
    pub fn start(&self) -> Option<usize> {
        let range = self.header("range")?.strip_prefix("bytes=")?;
        range.strip_suffix('-')?.parse().ok()
    }
}

/// The answer to one request, sent piece by piece.
pub struct Reply {
    stream: TcpStream,
    sent: Arc<Mutex<Vec<usize>>>,
    number: usize,
}

impl Reply {
    /// Sends the status line and the headers.
    pub fn head(&mut self, status: &str, headers: &[(&str, &str)]) {
        let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let _ = self.stream.write_all(format!("{head}\r\n").as_bytes());
    }

    /// Sends content. Returns whether the client still receives.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        let listens = self.stream.write_all(bytes).is_ok();
        if listens {
            self.sent.lock().unwrap()[self.number] += bytes.len();
        }
        listens
    }

    /// Sends the whole content.
    pub fn ok(&mut self, content: &[u8]) {
        self.head("200 OK", &[("Content-Length", &content.len().to_string())]);
        self.send(content);
    }

    /// Sends the headers for the content from the first requested byte on, and at most `count` bytes
    /// of the content.
    pub fn some(&mut self, request: &Request, content: &[u8], count: usize) {
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

    /// Sends the content from the first requested byte on.
    pub fn file(&mut self, request: &Request, content: &[u8]) {
        self.some(request, content, content.len());
    }

    /// Sends nothing more until the client disconnects.
    pub fn stall(&mut self) {
        let _ = self.stream.read(&mut [0; 1]);
    }
}

/// A server on a free port of this machine, until the process ends.
#[derive(Clone)]
pub struct Server {
    /// The address, without a slash at the end.
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    sent: Arc<Mutex<Vec<usize>>>,
}

impl Server {
    /// Starts a server that runs the script for each request.
    ///
    /// # Panics
    ///
    /// Panics if no port is free.
    pub fn new(script: impl Fn(&Request, &mut Reply) + Send + Sync + 'static) -> Self {
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

    /// Starts a server that sends this content for every path.
    pub fn with_file(content: &[u8]) -> Self {
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
        // Waits for the client, because a reset would discard sent bytes.
        let _ = reply.stream.set_read_timeout(Some(Duration::from_secs(5)));
        let _ = reply.stream.read(&mut [0; 1]);
    }

    /// Returns the requests so far.
    ///
    /// # Panics
    ///
    /// Panics if a script has panicked.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Returns the GET requests so far.
    pub fn gets(&self) -> Vec<Request> {
        let all = self.requests().into_iter();
        all.filter(|request| request.method == "GET").collect()
    }

    /// Returns the bytes of content sent for each request.
    ///
    /// # Panics
    ///
    /// Panics if a script has panicked.
    pub fn sent(&self) -> Vec<usize> {
        self.sent.lock().unwrap().clone()
    }
}

/// Reads the head of a request. Returns `None` if the client disconnects before its end.
pub fn read_head(stream: &TcpStream) -> Option<Request> {
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

/// Waits up to 20 seconds for another thread or process.
///
/// # Panics
///
/// Panics with `what` if `happened` does not return true in this time.
pub fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}
