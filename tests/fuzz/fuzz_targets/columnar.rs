//! `targets::columnar` for cargo-fuzz.
#![no_main]
#![allow(dead_code, reason = "one target of several")]

#[path = "../targets.rs"]
mod targets;

// Readers of others that panic are survived, and the file is held: libFuzzer's hook would end the process
// before that. A panic that nobody catches still ends it.
libfuzzer_sys::fuzz_target!(init: drop(std::panic::take_hook()), |data: &[u8]| {
    targets::columnar(data);
});
