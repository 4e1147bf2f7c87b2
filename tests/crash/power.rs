//! The power is cut at any moment: what was acknowledged is on the disk.

use std::time::Duration;

use super::check;
use super::client::Client;
use super::disk::{Disk, Kind};
use super::kills::afterwards;
use super::machine::{self, Tier};
use super::progress::{Progress, Tried};
use super::promises::{Promises, Told};
use super::senders::Senders;
use super::site::{Site, wait_until};
use super::workload::table;

/// Acknowledgements before a cut, at most.
pub const ACKNOWLEDGED_MAX: u64 = 24;
/// How long after the last of them, at most.
const LATER_MAX: Duration = Duration::from_millis(4);

/// Numbers that look random and are the same in every run (SplitMix64).
pub struct Dice(u64);

impl Dice {
    pub fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// One cut after `most` acknowledgements at most, on a zone of its own; what is wrong afterwards, and how many files were acknowledged.
pub fn cut(disk: &Disk, fresh: &Site, seed: u64, most: u64) -> (Vec<String>, usize) {
    let mut dice = Dice::of(seed);
    let site = fresh.copy_to(disk.path().join(format!("zone-{seed}")));
    disk.sync();
    let server = site.serve().expect("a zone that opens");
    let senders = Senders::start(&site, server.port);
    senders.wait_for(usize::try_from(1 + dice.below(most)).expect("small"));
    let later = u64::try_from(LATER_MAX.as_micros()).expect("short");
    std::thread::sleep(Duration::from_micros(dice.below(later)));
    senders.hang_up();
    disk.cut();
    server.kill();
    let mut book = senders.end();
    disk.start_again();
    let acknowledged = book.kept();
    let wrong = afterwards(&site, &mut book);
    let wrong = match wrong.is_empty() {
        true => wrong,
        false => [wrong, vec![site.log()]].concat(),
    };
    std::fs::remove_dir_all(site.path()).expect("removed");
    (wrong, acknowledged)
}

/// Files that are sent before the one that counts.
const BEFORE_CALM: usize = 150;

/// A cut at the moment of an answer, when nothing else is going on: no other sync helps the file.
pub fn cut_when_calm(disk: &Disk, fresh: &Site, seed: u64) -> Vec<String> {
    let site = fresh.copy_to(disk.path().join(format!("calm-{seed}")));
    disk.sync();
    let server = site.serve().expect("a zone that opens");
    let mut book = Promises::default();
    let mut client = Client::login(server.port, &site.key()).expect("a login");
    let mut put = |name: String, book: &mut Promises| {
        let bytes = table(&name, 3);
        let told = client.put(&name, &bytes);
        book.sent(&name, &bytes, told)
    };
    for number in 0..BEFORE_CALM {
        let told = put(format!("calm-{seed}-{number}.csv"), &mut book);
        assert_eq!(told, Told::Done, "{number}: {}", site.log());
    }
    let ledger = site.ledger().expect("a ledger");
    let is_calm = || check::arrivals(&ledger).iter().all(|arrival| arrival.state.is_end());
    assert!(wait_until(Duration::from_secs(60), is_calm), "it does not come to rest");
    drop(ledger);
    let told = put(format!("calm-{seed}-last.csv"), &mut book);
    disk.cut();
    assert_eq!(told, Told::Done);
    server.kill();
    disk.start_again();
    let mut wrong = afterwards(&site, &mut book);
    if !wrong.is_empty() {
        wrong.push(site.log());
    }
    std::fs::remove_dir_all(site.path()).expect("removed");
    wrong
}

fn cut_often(kind: Kind) {
    let Some(disk) = Disk::make(kind, "cutting the power") else { return };
    let memory = super::site::folder();
    let fresh = Site::make_used(memory.path().join("fresh"));
    let cuts = if machine::tier() == Tier::Release { 500 } else { 15 };
    let mut progress = Progress::of(&format!("cut {kind:?}"));
    for seed in 0..cuts {
        progress.once(&format!("cut {seed}"), || {
            let (wrong, figure) = cut(&disk, &fresh, seed, ACKNOWLEDGED_MAX);
            Tried { figure, wrong }
        });
    }
    let (cuts, acknowledged, broken) = progress.counts();
    eprintln!("{kind:?}: {cuts} cuts, {acknowledged} files acknowledged, {broken} violations");
    progress.assert_kept();
    assert!(acknowledged > cuts, "hardly anything was acknowledged: {acknowledged}");
}

#[test]
fn at_the_moment_of_an_answer() {
    let Some(disk) = Disk::make(Kind::Ext4, "cutting the power") else { return };
    let memory = super::site::folder();
    let fresh = Site::make_used(memory.path().join("fresh"));
    let cuts = if machine::tier() == Tier::Release { 100 } else { 2 };
    let mut progress = Progress::of("cut at an answer");
    for seed in 0..cuts {
        progress.once(&format!("cut {seed}"), || Tried {
            figure: BEFORE_CALM + 1,
            wrong: cut_when_calm(&disk, &fresh, seed),
        });
    }
    let (cuts, acknowledged, broken) = progress.counts();
    eprintln!("at an answer: {cuts} cuts, {acknowledged} files acknowledged, {broken} violations");
    progress.assert_kept();
}

#[test]
fn on_ext4() {
    cut_often(Kind::Ext4);
}

#[test]
fn on_xfs() {
    cut_often(Kind::Xfs);
}
