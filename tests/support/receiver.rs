//! A webhook receiver that answers as it is told, on a port of its own.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How to answer one request.
pub enum Reply {
    /// With this status line, headers and body.
    Http(&'static str, &'static str, String),
    /// Not at all, until the client gives up.
    Hang,
    /// By resetting the connection.
    Reset,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        &found.unwrap_or_else(|| panic!("no header {name} in {self:?}")).1
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub fn ok(body: &str) -> Reply {
    Reply::Http("200 OK", "", body.to_owned())
}

/// A consumer that never ends: it takes each `webhook-id` once, and misbehaves as it is told to.
pub struct Consumer {
    pub url: String,
    state: Arc<Mutex<Inbox>>,
}

#[derive(Default)]
struct Inbox {
    refuses: bool,
    /// Acknowledgements still to be lost after the effect.
    loses: u32,
    taken: Vec<(String, serde_json::Value)>,
    requests: Vec<Request>,
}

impl Consumer {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(Inbox::default()));
        let inbox = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map(Result::unwrap) {
                // A sender that is killed sends half a request, or hears no answer.
                consume(stream, &inbox);
            }
        });
        Self { url, state }
    }

    pub fn refuse(&self, refuses: bool) {
        self.state.lock().unwrap().refuses = refuses;
    }

    pub fn lose(&self, acknowledgements: u32) {
        self.state.lock().unwrap().loses = acknowledgements;
    }

    /// Ids and events in the order of their effect.
    pub fn taken(&self) -> Vec<(String, serde_json::Value)> {
        self.state.lock().unwrap().taken.clone()
    }

    /// Every whole request, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }

    /// Takes this for what it was told so far, and has forgotten all else.
    pub fn become_as_of(&self, requests: Vec<Request>, taken: Vec<(String, serde_json::Value)>) {
        let mut state = self.state.lock().unwrap();
        (state.requests, state.taken) = (requests, taken);
    }

    pub fn last_request(&self) -> Request {
        self.state.lock().unwrap().requests.pop().unwrap()
    }
}

fn consume(mut stream: TcpStream, inbox: &Mutex<Inbox>) {
    let Some(request) = read_whole(&stream) else { return };
    let mut inbox = inbox.lock().unwrap();
    let status = if inbox.refuses {
        "500 Broken"
    } else {
        let id = request.header("webhook-id").to_owned();
        if !inbox.taken.iter().any(|(taken, _)| *taken == id) {
            inbox.taken.push((id, request.json()));
        }
        match inbox.loses {
            0 => "200 OK",
            left => {
                inbox.loses = left - 1;
                "503 Lost"
            }
        }
    };
    inbox.requests.push(request);
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").ok();
}

/// Answers one request a reply, in order, then refuses connections. Returns its address.
pub fn receive(replies: Vec<Reply>) -> (String, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook?token=secret", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for reply in replies {
            let (stream, _) = listener.accept().unwrap();
            answer(stream, reply, &sender);
        }
    });
    (url, requests)
}

fn answer(mut stream: TcpStream, reply: Reply, sender: &Sender<Request>) {
    // Before the answer, so that a test can act while it is awaited. Nobody may listen any more at
    // the end of a test.
    let _unheard = sender.send(read(&stream));
    match reply {
        Reply::Http(status, headers, body) => {
            let length = body.len();
            write!(stream, "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
                .unwrap();
        }
        Reply::Hang => {
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            // Returns when the client gives up.
            let _gone = stream.read(&mut [0]);
        }
        Reply::Reset => {
            rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap()
        }
    }
}

pub fn read(stream: &TcpStream) -> Request {
    read_whole(stream).expect("a whole request")
}

/// `None` when the sender ends before its request does.
fn read_whole(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let headers: Vec<(String, String)> = lines[1..]
        .iter()
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut request = Request { line: lines[0].clone(), headers, body: Vec::new() };
    let length: usize = request.header("content-length").parse().unwrap();
    request.body = vec![0; length];
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}
