//! Random changes to copies of a ledger, held against a checkpoint that was published before: every
//! one is noticed, by ours and by the verifier that shares no code with it.
//!
//! `LANDFALL_MUTATIONS` says how many our verifier sees (2,000 when it is not set; the whole promise is 10,000), and
//! `LANDFALL_MUTATIONS_PYTHON` how many the other one does as well (300).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use landfall::clock::Clock;
use landfall::config;
use landfall::durable::Durability;
use landfall::evidence::audit::{Kept, audit};
use landfall::evidence::{Checkpoint, Notary};
use landfall::ledger::log::Signed;
use landfall::ledger::{Door, Event, Ledger, NewArrival, sqlite, tree};
use landfall::names::ArrivalId;
use landfall::signing::{self, Namespace, SigningKey};
use landfall::zone::Zone;
use rusqlite::{Connection, params};

use crate::bundle::verify_py;

/// Copies that one process of the other verifier is shown.
const AT_ONCE: usize = 500;

/// What a test needs of an honest zone.
struct Honest {
    _folder: tempfile::TempDir,
    zone: Zone,
    published: Signed,
    key: String,
    /// `checkpoint`, `checkpoint.sig` and `signers` for the other verifier.
    outside: PathBuf,
}

fn new_arrival(n: u64) -> NewArrival {
    let at = landfall::clock::Timestamp::now();
    let id = ArrivalId::new(at);
    let name = format!("file-{n}.csv").parse().expect("a name");
    let feed = "orders".parse().expect("a feed");
    NewArrival {
        id,
        sender: "partner:acme".parse().expect("a sender"),
        door: Door::Sftp,
        raw: Zone::raw_path(&feed, at, id, &name),
        feed,
        name,
        size_bytes: n,
        digest: tree::leaf(&n.to_be_bytes()),
        received_at: at,
        modified_s: None,
        mode: None,
        origin: None,
        fingerprint: None,
        held: None,
        waits: None,
        skip_duplicate: true,
        replace_same_name: false,
        adopted: false,
        ends: None,
    }
}

/// A ledger with 40 events under a published checkpoint, and some after it that are signed as well.
fn honest() -> Honest {
    let folder = tempfile::tempdir().expect("a folder");
    let zone = Zone::new(folder.path());
    fs::create_dir_all(zone.run_time()).expect("made");
    let config =
        config::parse("landfall.toml", "[zone]\nname = 'our zone'\ndurability = 'relaxed'\n");
    let config = config::Live::from(Arc::new(config.expect("valid")));
    let opened = sqlite::open(&zone.ledger_file(), Clock::system(), Durability::Relaxed);
    let ledger: Arc<dyn Ledger> = Arc::new(opened.expect("opened"));
    let notary = Notary::open(zone.clone(), config, Arc::clone(&ledger), Clock::system());
    let notary = notary.expect("opened");
    let add = |from: u64| {
        for n in from..from + 10 {
            let id = ledger.receive(new_arrival(n)).expect("received").id;
            ledger.advance(id, Event::TakenRaw { reason: "a test".to_owned() }).expect("taken");
        }
    };
    add(0);
    notary.sign().expect("signed");
    add(10);
    let published = notary.sign().expect("signed").expect("a checkpoint");
    add(20);
    notary.sign().expect("signed");
    drop((notary, ledger));
    // One file, so that a copy is one file.
    let conn = Connection::open(zone.ledger_file()).expect("opened");
    conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE; VACUUM")
        .expect("one file");
    drop(conn);
    let public = signing::key_file::public_file(&zone.receipt_key());
    let key = signing::lines_of(&fs::read_to_string(public).expect("a key")).pop().expect("a key");
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).expect("made");
    fs::write(outside.join("checkpoint"), &published.text).expect("written");
    fs::write(outside.join("checkpoint.sig"), &published.signature).expect("written");
    fs::write(outside.join("signers"), signing::allowed_signer("our zone", &key)).expect("written");
    Honest { _folder: folder, zone, published, key, outside }
}

impl Honest {
    fn kept(&self) -> Kept {
        let signature = Some(self.published.signature.clone());
        Kept { name: "published".to_owned(), text: self.published.text.clone(), signature }
    }

    /// What our verifier says of a copy.
    fn ours(&self, copy: &Path) -> Result<Vec<String>, String> {
        let ledger = sqlite::open_read_only(copy).map_err(|error| error.to_string())?;
        let found = audit(&ledger, std::slice::from_ref(&self.key), &[self.kept()]);
        found.map(|found| found.problems).map_err(|error| error.to_string())
    }

    fn theirs(&self, copies: &[PathBuf]) -> Vec<String> {
        let (signers, checkpoint) = (self.outside.join("signers"), self.outside.join("checkpoint"));
        let mut words = vec![Path::new("--signers"), &signers, Path::new("--against"), &checkpoint];
        words.extend(copies.iter().map(PathBuf::as_path));
        let told = verify_py(&words);
        let text = String::from_utf8(told.stdout).expect("text");
        assert_eq!(
            text.lines().count(),
            copies.len(),
            "{text}{}",
            String::from_utf8_lossy(&told.stderr)
        );
        text.lines().map(ToOwned::to_owned).collect()
    }
}

/// A small generator of numbers (SplitMix64), the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

struct Row {
    at: i64,
    arrival: Option<Vec<u8>>,
    record: String,
}

/// Who may change a ledger can as well write everything that follows from the events anew: numbers,
/// hashes, nodes, and with the stolen key the checkpoints.
fn write_anew(conn: &Connection, rows: &[Row], key: &SigningKey) {
    conn.execute_batch("DELETE FROM event; DELETE FROM tree_node;").expect("emptied");
    let log: String = conn.query_row("SELECT id FROM log", [], |row| row.get(0)).expect("an id");
    let mut tree = tree::Frontier::default();
    let mut roots = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let sequence = at as u64 + 1;
        let mut record: serde_json::Value = serde_json::from_str(&row.record).expect("json");
        let old = record["sequence"].to_string();
        record["sequence"] = sequence.into();
        let text = row.record.replacen(
            &format!("\"sequence\":{old}"),
            &format!("\"sequence\":{sequence}"),
            1,
        );
        let hash = tree::leaf(text.as_bytes());
        tree.push(hash);
        roots.push(tree.root());
        conn.execute(
            "INSERT INTO event (sequence, at, arrival, record, hash) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![sequence, row.at, row.arrival, text, hash.as_bytes()],
        )
        .expect("inserted");
    }
    let mut sizes = conn.prepare("SELECT size, text FROM checkpoint").expect("prepared");
    let sizes: Vec<(u64, String)> = sizes
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("rows")
        .collect::<Result<_, _>>()
        .expect("rows");
    for (size, text) in sizes {
        conn.execute("DELETE FROM checkpoint WHERE size = ?1", [size]).expect("removed");
        let Some(root) = usize::try_from(size).ok().and_then(|size| roots.get(size - 1)) else {
            continue;
        };
        let at = Checkpoint::parse(&text).expect("one").at;
        let made = Checkpoint::new("our zone", &log, (size, *root), at);
        let signature =
            key.sign(Namespace::Checkpoint, made.to_string().as_bytes()).expect("signed");
        let signed = made.signed(signature);
        conn.execute(
            "INSERT INTO checkpoint (size, root, at, text, signature) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                size,
                root.as_bytes(),
                signed.at.as_microsecond(),
                signed.text,
                signed.signature
            ],
        )
        .expect("inserted");
    }
}

fn rows(conn: &Connection) -> Vec<Row> {
    let mut statement =
        conn.prepare("SELECT at, arrival, record FROM event ORDER BY sequence").expect("prepared");
    let rows = statement.query_map([], |row| {
        Ok(Row { at: row.get(0)?, arrival: row.get(1)?, record: row.get(2)? })
    });
    rows.expect("rows").collect::<Result<_, _>>().expect("rows")
}

/// Changes one character of a record so that it is still JSON: a digit, or a letter of a value.
fn edit(record: &str, dice: &mut Dice) -> String {
    let bytes = record.as_bytes();
    loop {
        let at = usize::try_from(dice.below(bytes.len() as u64)).expect("small");
        let other = match bytes[at] {
            b'0'..=b'8' => bytes[at] + 1,
            b'9' => b'0',
            _ => continue,
        };
        let mut edited = bytes.to_vec();
        edited[at] = other;
        let edited = String::from_utf8(edited).expect("text");
        // Its own number is written anew anyway.
        let number = |text: &str| {
            serde_json::from_str::<serde_json::Value>(text)
                .ok()
                .map(|json| json["sequence"].clone())
        };
        if number(&edited) == number(record) && number(record).is_some() {
            return edited;
        }
    }
}

/// Changes of single rows: what they are, and the statement that is given the number of an event.
const IN_PLACE: [(&str, &str); 8] = [
    ("an edited time", "UPDATE event SET at = at + 1 WHERE sequence = ?1"),
    ("an edited hash", "UPDATE event SET hash = randomblob(32) WHERE sequence = ?1"),
    ("an edited arrival", "UPDATE event SET arrival = randomblob(16) WHERE sequence = ?1"),
    ("a removed event", "DELETE FROM event WHERE sequence = ?1"),
    ("a cut end", "DELETE FROM event WHERE sequence >= ?1"),
    (
        "an arrival's digest",
        "UPDATE arrival SET digest = randomblob(32) WHERE sequence = 1 + ?1 % 20",
    ),
    (
        "an arrival's sender",
        "UPDATE arrival SET sender = 'partner:mallory' WHERE sequence = 1 + ?1 % 20",
    ),
    (
        "a checkpoint's root",
        "UPDATE checkpoint SET root = randomblob(32)
         WHERE size = (SELECT min(size) FROM checkpoint) AND ?1 > 0",
    ),
];

/// Makes one change among what the published checkpoint covers; says which.
fn mutate(conn: &Connection, dice: &mut Dice, key: &SigningKey, covered: u64) -> &'static str {
    let at = dice.below(covered) + 1;
    let index = usize::try_from(at - 1).expect("small");
    let kind = usize::try_from(dice.below(14)).expect("small");
    if let Some((what, sql)) = IN_PLACE.get(kind) {
        assert!(conn.execute(sql, [at]).expect(what) > 0, "{what}");
        return what;
    }
    let mut rows = rows(conn);
    let what = match kind {
        8 => {
            let edited = edit(&rows[index].record, dice);
            let sql = "UPDATE event SET record = ?2 WHERE sequence = ?1";
            conn.execute(sql, params![at, edited]).expect("edited");
            return "an edited record";
        }
        9 => {
            rows[index].record = edit(&rows[index].record, dice);
            "an edited record, all written anew with the key"
        }
        10 => {
            rows.remove(index);
            "a removed event, all written anew with the key"
        }
        11 => {
            let told: serde_json::Value = serde_json::from_str(&rows[index].record).expect("json");
            let record =
                format!(r#"{{"sequence":{at},"at":{},"event":{{"kind":"stopped"}}}}"#, told["at"]);
            rows.insert(index, Row { at: rows[index].at, arrival: None, record });
            "an inserted event, all written anew with the key"
        }
        12 => {
            let other = (index + 1) % usize::try_from(covered).expect("small");
            rows.swap(index, other);
            "two events in another order, all written anew with the key"
        }
        _ => {
            rows.truncate(index);
            "a cut end, all written anew with the key"
        }
    };
    write_anew(conn, &rows, key);
    what
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn an_honest_copy_is_right_for_both() {
    let honest = honest();
    assert_eq!(honest.ours(&honest.zone.ledger_file()), Ok(Vec::new()));
    let told = honest.theirs(&[honest.zone.ledger_file()]);
    assert!(told[0].contains("right: 60 events, the first 40"), "{told:?}");
}

#[test]
fn every_random_change_is_noticed_by_both() {
    let honest = honest();
    let bytes = fs::read(honest.zone.ledger_file()).expect("read");
    let key = SigningKey::open(&honest.zone.receipt_key()).expect("the stolen key");
    let (ours, theirs) =
        (number("LANDFALL_MUTATIONS", 2_000), number("LANDFALL_MUTATIONS_PYTHON", 300));
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let folder = tempfile::tempdir_in(place).expect("a folder");
    let mut dice = Dice(1);
    let mut for_python = Vec::new();
    for n in 0..ours.max(theirs) {
        let copy = folder.path().join(format!("{n}.db"));
        fs::write(&copy, &bytes).expect("copied");
        let conn = Connection::open(&copy).expect("opened");
        conn.execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; BEGIN")
            .expect("set");
        let what = mutate(&conn, &mut dice, &key, honest.published.size);
        conn.execute_batch("COMMIT").expect("kept");
        drop(conn);
        if n < ours {
            let told = honest.ours(&copy);
            assert!(told.as_ref().map_or(true, |wrong| !wrong.is_empty()), "{n}: {what} unseen");
        }
        if n < theirs {
            for_python.push((copy, what));
        } else {
            fs::remove_file(&copy).expect("removed");
        }
        if for_python.len() == AT_ONCE {
            notice(&honest, &mut for_python);
        }
    }
    notice(&honest, &mut for_python);
}

/// Shows copies to the other verifier, and removes them.
fn notice(honest: &Honest, copies: &mut Vec<(PathBuf, &'static str)>) {
    if copies.is_empty() {
        return;
    }
    let paths: Vec<_> = copies.iter().map(|(copy, _)| copy.clone()).collect();
    for (told, (copy, what)) in honest.theirs(&paths).iter().zip(copies.drain(..)) {
        assert!(told.contains(": WRONG: "), "{what} unseen: {told}");
        fs::remove_file(copy).expect("removed");
    }
}
