//! A zone that is served in this process, by a clock that the test moves.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::sync::{Arc, Mutex};

use landfall::clock::{Clock, Timestamp};
use landfall::ops::serve::{self, Options, Running};
use landfall::zone::Zone;
use serde_json::Value;

use crate::support::TestZone;

/// The time that a clock shows.
#[derive(Clone)]
pub struct Shown(Arc<Mutex<Timestamp>>);

impl Shown {
    pub fn at(text: &str) -> Self {
        Self(Arc::new(Mutex::new(text.parse().expect("a time"))))
    }

    pub fn set(&self, text: &str) {
        *self.0.lock().unwrap() = text.parse().expect("a time");
    }

    fn clock(&self) -> Clock {
        let shown = Arc::clone(&self.0);
        Clock::of(move || *shown.lock().unwrap())
    }
}

/// The zone, until it is dropped.
pub struct Served<'z> {
    pub zone: &'z TestZone,
    running: Option<Running>,
}

pub fn serve<'z>(zone: &'z TestZone, clock: &Shown) -> Served<'z> {
    let worker = env!("CARGO_BIN_EXE_landfall").into();
    let options = Options { clock: clock.clock(), worker, ..Options::default() };
    let found = Zone::new(zone.path().to_path_buf());
    let running = serve::start(&found, options).expect("it is served");
    Served { zone, running: Some(running) }
}

impl Served<'_> {
    /// What `landfall status --json` says.
    pub fn status(&self) -> Value {
        let status = self.zone.run(&["status", "--json"]);
        serde_json::from_slice(&status.stdout).expect("json")
    }

    /// What needs a person, as `code: cause`.
    pub fn needs(&self) -> Vec<String> {
        let status = self.status();
        let needs = status["needs"].as_array().unwrap().iter();
        needs.map(|need| format!("{}: {}", need["code"], need["cause"]).replace('"', "")).collect()
    }

    /// Stops in order.
    pub fn stop(mut self) {
        self.running.take().expect("it runs").shutdown();
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown();
        }
    }
}
