//! What `/proc` says of a process and its children: CPU seconds and memory.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::fs;
use std::path::Path;

const TICKS_PER_S: f64 = 100.0;

/// Peak resident memory of one process, MiB.
pub fn peak_mib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

/// The direct children of a process.
pub fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| {
            text.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

/// A process and everything below it.
pub fn family(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(parent) = found.get(at) {
        found.extend(children(*parent));
        at += 1;
    }
    found
}

/// User and system seconds from a `stat` file: its own, and those of ended children.
pub fn seconds(stat: &Path) -> Option<(f64, f64)> {
    let text = fs::read_to_string(stat).ok()?;
    let fields: Vec<f64> = text
        .rsplit_once(')')?
        .1
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0.0))
        .collect();
    Some(((fields[11] + fields[12]) / TICKS_PER_S, (fields[13] + fields[14]) / TICKS_PER_S))
}

/// CPU seconds of a process and everything below it, ended children included.
pub fn family_seconds(pid: u32) -> f64 {
    let stats = family(pid).into_iter().filter_map(|pid| {
        seconds(Path::new(&format!("/proc/{pid}/stat"))).map(|(own, ended)| own + ended)
    });
    stats.sum()
}

/// Memory of a process and everything below it, shared pages divided among their users, KiB.
pub fn family_pss_kib(pid: u32) -> u64 {
    family(pid).into_iter().filter_map(pss_kib).sum()
}

fn pss_kib(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find(|line| line.starts_with("Pss:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
