//! Every code, in one table: what it means and the way out.
//!
//! A code is never renumbered or reused. Letters: `Z` zone and configuration, `R` receiving over
//! SFTP, `F` folders, `A` archive, `C` converting, `H` handing off, `L` ledger.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

macro_rules! codes {
    ($($code:ident: $title:literal, $meaning:literal, $way_out:literal;)*) => {
        /// A stable diagnostic code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "each variant's meaning is its table entry")]
        pub enum Code { $($code,)* }

        impl Code {
            /// Every code, in the table's order.
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            /// The code as text: `C104`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$code => stringify!($code),)* }
            }

            /// A few words for a heading.
            pub fn title(self) -> &'static str {
                match self { $(Self::$code => $title,)* }
            }

            /// What it means, in sentences.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$code => $meaning,)* }
            }

            /// What to do about it.
            pub fn way_out(self) -> &'static str {
                match self { $(Self::$code => $way_out,)* }
            }
        }
    };
}

codes! {
    Z101: "configuration is not valid",
        "landfall.toml, a partner file or a contract has a mistake; nothing was changed.",
        "Correct the line that is named and run `landfall check`.";
    Z102: "not a zone",
        "The folder has no landfall.toml.",
        "Name a zone with --zone DIR, or make one with `landfall init DIR`.";
    Z103: "the zone is in use",
        "Another landfall process holds the zone's lock.",
        "Use the running server (`landfall status`), or stop it first.";
    Z104: "no such thing",
        "Nothing in this zone has the name or id that was given.",
        "List what is there with `landfall list`, `landfall feed list` or `landfall partner list`.";
    Z105: "the command failed",
        "The command could not do what it was asked to; the causes say why.",
        "Mend what the causes name and run it again.";
    Z110: "the machine is short of something",
        "The disk is full or read-only, or descriptors or memory ran out, while a file was worked on. It is no fault of the file: it is tried again.",
        "See the cause; free disk space, mount the disk for writing, or raise the limit.";
    Z106: "the server does not answer",
        "A landfall process holds this zone, but its control socket does not answer.",
        "Wait until it has started or stopped, then try again.";
    Z107: "the command line is wrong",
        "A value on the command line cannot be used.",
        "See `landfall help` and the command's `--help`.";
    R101: "file matches no feed",
        "The file's name matches no feed that the sender may send to. It is in the archive and waits for a person.",
        "Rename the file so that it matches, or add a pattern to the feed's `match`.";
    R102: "upload never renamed",
        "The upload was closed under a temporary name, or in a feed with `complete = \"rename\"` under any name, and was not renamed in time. It is in the archive and waits for a person.",
        "Rename the file after the upload, or upload it under its final name.";
    R103: "quota reached",
        "The partner has used up the bytes or files it may send per day or keep in progress.",
        "Wait until older files leave the rolling day, or ask for a higher quota.";
    R104: "login refused",
        "The user, key or password is not known, or the account is disabled.",
        "Check the user name and key with the people who run this server.";
    R105: "no algorithm in common",
        "The client offers no key exchange, cipher or key type that this server allows.",
        "Update the client, or enable the algorithm that the event names.";
    R106: "the file could not be stored",
        "The server could not write the file. Nothing was taken.",
        "Send the file again later; if it fails again, tell the people who run this server.";
    R107: "file was never confirmed",
        "The file's feed wants a marker or a checksum with each file (`complete` in landfall.toml), and none came in time. The file is in the archive and waits.",
        "Send the marker or the checksum, as NAME.ok or NAME.sha256: the file then goes on by itself.";
    R108: "checksum differs",
        "The checksum in a file's sidecar is not that of the bytes that came. The file is in the archive and is not handed on.",
        "Compute the checksum at the source. Send the file again under the same name if it was damaged, or the corrected checksum if the file is right: it then goes on by itself.";
    R109: "checksum cannot be read",
        "A file's sidecar states no checksum in a form that is known: the bare hexadecimal digits, `DIGITS  NAME`, `DIGITS *NAME`, or `SHA256 (NAME) = DIGITS`.",
        "Send the checksum again as `sha256sum NAME > NAME.sha256` writes it.";
    R110: "sidecar is too large",
        "A file that is named like a sidecar (NAME.ok, NAME.done, NAME.md5, NAME.sha1, NAME.sha256) has more than 64 KiB. Nothing was taken.",
        "Send only the marker or the checksum, or give the file another name.";
    R111: "sidecar without its file",
        "A marker or checksum came, and the file that it speaks of did not.",
        "Send the file under the name that the sidecar has before its last dot, or remove the sidecar.";
    R120: "a restart is needed",
        "The new landfall.toml changes a setting that is bound into the running server; nothing was changed.",
        "Restart the server to take the whole file over, or put that setting back and reload.";
    R121: "not this step's turn",
        "Host keys change in steps: rotate, tell the partners, activate, retire; this one does not come now.",
        "See `landfall hostkey list` for where the change stands.";
    F101: "entry is not a regular file",
        "A drop folder holds something that is not a regular file, such as a link, a pipe or a device. It is left alone.",
        "Put the file itself into the folder.";
    F102: "folder is not there",
        "A watched folder has vanished or cannot be read. Files that were in it are not treated as deleted.",
        "Mount the folder again or correct its path in landfall.toml.";
    F103: "taken file could not be moved",
        "The file is in the archive, but the drop folder does not let it be moved to `_done`.",
        "Give the server's user write permission on the folder, or set `after = \"keep\"`.";
    F104: "entry cannot be taken",
        "A drop folder holds a file that cannot be taken: it may not be read, lies too deep, or could not be stored. It is left where it is and tried again.",
        "See the causes; let the server's user read the file, or move it to a folder above.";
    F105: "sidecar is too large",
        "A drop folder holds a file that is named like a sidecar (NAME.ok, NAME.done, NAME.md5, NAME.sha1, NAME.sha256) and has more than 64 KiB. It is left where it is.",
        "Give the file another name, or put only the marker or the checksum into it.";
    F110: "a pull fails",
        "The command of a [[pull]] could not be run, exited with another code than 0, took longer than its timeout, or left what cannot be taken. Nothing of that run was taken; it is tried again as its `retry` says, and at its next time.",
        "See its last words with `landfall pull list`, mend what they name, and run it with `landfall pull run NAME`.";
    A101: "raw object is damaged",
        "The bytes in the archive no longer have the digest that was recorded.",
        "Restore the object from a copy.";
    A120: "backup failed",
        "The backup could not be made or put back; the causes say why. A backup has its name only when it is complete.",
        "Mend what the causes name and run the command again.";
    A121: "backup is not whole",
        "The folder is not a backup, or a file in it is missing or differs from its SHA256SUMS. Nothing was put back.",
        "Take another backup, or another copy of this one.";
    A122: "ledger has more than the backup",
        "The zone's ledger goes further than the backup, or is not the one that it was taken of. To put the backup back would lose what it does not have.",
        "Keep the ledger: nothing needs to be put back. If it must go, run the command with `--put-present-ledger-aside`: it is kept beside the other.";
    A123: "kept file is not whole",
        "A raw object, Parquet, rejects or a manifest does not have the bytes that were recorded, is missing, or cannot be read.",
        "Bring it back from a copy of the zone: `landfall verify --known --restore-from DIR`. Only bytes with the recorded digest are taken, and the damaged file is kept aside.";
    A124: "kept file is unknown",
        "The archive, the lake or a folder beside it has a file that the ledger does not know.",
        "Find out who put it there; move it out of the zone if it does not belong there.";
    A125: "file could not be brought back",
        "A damaged or missing file could not be put in its place; the causes say why. The damaged one is kept in `.landfall/damaged`.",
        "Mend what the causes name and run the command again.";
    A126: "file cannot be erased now",
        "The file is being converted or handed off, or its sender has it in progress. Nothing was done.",
        "Wait for its end, as `landfall show ID` tells it, and run the command again.";
    A127: "erasure is not finished",
        "The ledger says that a file is being erased, and a copy of it could not be removed, or its tombstone not be written; the causes say why. There is no way back.",
        "Mend what the causes name and run `landfall erase ID --reason TEXT` again, or start the server again: it goes on.";
    A128: "file was erased",
        "No copy of the file is kept any more; its tombstone in archive/_erased says who decided it, when, and why.",
        "Ask its sender for it. It is taken like any other file.";
    A129: "file is on hold",
        "A legal hold covers the file: nothing of it is removed while the hold stands.",
        "`landfall hold list` says who placed it and why. Once it may go, release it with `landfall hold release NAME --reason TEXT`.";
    C101: "file is empty",
        "The file has no bytes or no records, so there is nothing to convert.",
        "Send the file with its content. If it is meant to be empty, end it with `landfall quarantine reject ID --reason TEXT`.";
    C102: "encoding is not readable",
        "The bytes are not valid in the encoding that was detected or declared.",
        "Save the file as UTF-8, or declare its encoding in the feed.";
    C103: "records do not fit the header",
        "Too many records have more or fewer fields than the header.",
        "Correct the lines that are named; quote fields that contain the delimiter.";
    C104: "a quoted field never ends",
        "A field opens with a quote that is not closed before the end of the file.",
        "Close or remove the quote in the line that is named.";
    C105: "limit exceeded",
        "The file exceeds a limit on record, cell or column size, memory, time or output.",
        "Split the file, or raise the limit that is named in landfall.toml.";
    C106: "workbook is not readable",
        "The workbook is damaged, encrypted or not what its name says.",
        "Open it, save it again as .xlsx without a password, and send it again.";
    C107: "no table found",
        "No sheet or section with a header and rows was found, or none that matches the feed.",
        "Put one table with a header row on a visible sheet.";
    C108: "workbook is too sparse",
        "The workbook declares far more cells than it holds, which no table does.",
        "Delete unused rows and columns and save it again.";
    C109: "header is missing",
        "The first row does not look like the header this feed has had so far: none of its columns is there.",
        "If the header row is missing, add it. If the feed's columns have changed, let the file go on with `landfall quarantine release ID --allow drift`, or confirm the change with a contract. If it belongs to another feed, send it there.";
    C110: "a column seems to be renamed",
        "One known column is gone and one new column appeared.",
        "Name the column as before; or let the file go on with `landfall quarantine release ID --allow drift`, or confirm the change with a contract.";
    C111: "converter failed",
        "The converter stopped on this file. This is our fault, not the sender's. The raw bytes are safe.",
        "Tell the people who run this server; the file can be converted again later.";
    C112: "records do not add up",
        "The records seen are not the sum of written, rejected and skipped. This is our fault, not the sender's.",
        "Tell the people who run this server; the file can be converted again later.";
    C113: "quotes are ambiguous",
        "Some fields have quotes where none may stand; the records that hold them are rejects.",
        "Double every quote inside a quoted field.";
    C114: "Parquet is not readable",
        "The Parquet file is damaged, cut or encrypted, or its rows are not those that it declares.",
        "Write it again and send it again; `landfall inspect FILE` says beforehand whether it can be read.";
    C120: "a value is not of its type",
        "The contract says how the column's values are written; this one is not.",
        "Correct the value, or the column's `type` and format in the contract.";
    C121: "a required value is missing",
        "The contract asks for a value in every record of the column.",
        "Fill in the value, or take `required` out of the contract.";
    C122: "a value is out of range",
        "The value is below the column's `min` or above its `max` in the contract.",
        "Correct the value, or the range in the contract.";
    C123: "a value does not match its pattern",
        "The contract has a pattern that every value of the column matches.",
        "Correct the value, or the pattern in the contract.";
    C124: "a value is not allowed",
        "The contract lists the values that the column may have; this is none of them.",
        "Correct the value, or add it to `allowed` in the contract.";
    C125: "a key occurs twice",
        "The contract says that the key is unique in a file. The first record that has it is kept, later ones are left out.",
        "Send each key once, or take it out of `unique` in the contract.";
    C126: "columns differ from the contract",
        "The contract is frozen: a file has exactly its columns, in any order.",
        "Send the columns of the contract; or add them to it, name another header in a column's `aliases`, or set `mode.columns = \"evolve\"`.";
    C127: "a required column is missing",
        "The contract asks for a value in every record of a column that the file does not have.",
        "Send the column, or name the header it has in the column's `aliases`.";
    C128: "the number of records is not as declared",
        "The contract's `rows` says how many records a file has at least or at most.",
        "Send the whole file, or correct `rows` in the contract.";
    C129: "the file's name is not as declared",
        "The contract's `match` says what the feed's files are called.",
        "Rename the file, or correct `match` in the contract.";
    C130: "too many keys to compare",
        "The file has more values of unique keys than can be compared in bounded memory.",
        "Split the file, or take the key out of `unique` in the contract.";
    C140: "packed file is damaged",
        "A packed file (gzip, zstd, bzip2, xz, zip) is cut, damaged, or its content does not have the size or checksum that was recorded when it was packed. Nothing of it was taken.",
        "Pack and send the file again.";
    C141: "packed file unpacks to too much",
        "A packed file (gzip, zstd, bzip2, xz, zip) holds far more bytes or members than any table would, or was made to look so.",
        "Send the table in smaller files, or not packed.";
    C142: "archive inside an archive",
        "A packed file holds something that is packed again.",
        "Pack each table once only.";
    C143: "archive is encrypted",
        "A member of a zip archive is encrypted with a password.",
        "Send the archive without a password; the connection is encrypted already.";
    C144: "archive holds different kinds of tables",
        "A zip archive holds tables of several kinds, or several workbooks, so that nobody can say which is the feed's.",
        "Send an archive with tables of one kind only.";
    C145: "packing is not known",
        "A member of a zip archive is packed in a way that is not known here.",
        "Pack it with the usual method of zip, DEFLATE.";
    C146: "JSON is not valid",
        "A record, or the file, is not valid JSON.",
        "Correct the place that is named; write the file with a JSON library.";
    C147: "a key stands twice",
        "A JSON object has a key twice, so that nobody can say which value counts.",
        "Send every key once.";
    C148: "not a record",
        "A JSON value stands where a record, an object, is expected.",
        "Send one object a line, or an array of objects.";
    C149: "several tables in one file",
        "After the table something follows that looks like another table, with another header.",
        "Send each table in a file of its own.";
    C150: "the Parquet differs from its source",
        "A proof compared every cell with the source and found one that is not the same. This is our fault, not the sender's. Nothing was written.",
        "Tell the people who make landfall which file, line and column; keep the source.";
    H101: "sink is stalled",
        "A sink refused a batch until its retries ended. Nothing later is sent to it for this feed.",
        "Mend the receiver, then run `landfall sink retry`; `landfall status` has the whole command.";
    H102: "batch could not be published",
        "A batch could not be written to the lake. It will be tried again.",
        "See the causes; free disk space or mend the folder's permissions.";
    H110: "sink is paused",
        "A person paused a sink. What is for it waits, in order.",
        "Let it go on with `landfall sink resume` when it may be told again.";
    H111: "a set is late",
        "Files that belong together are handed off together; some of them did not come in time.",
        "Send what is missing: the set then goes on by itself. Or hand off what is there with `landfall batch close`.";
    H112: "a set does not add up",
        "A control file says how many rows the files of a set have, and one has another number.",
        "Send the file again, or the corrected control file, under the same name: the set then goes on by itself.";
    H113: "a control file cannot be read",
        "A control file names the files of a set, one a line as `NAME ROWS`, or as JSON; this one does not.",
        "Send it again in that form, under the same name.";
    H130: "the feed is not clear",
        "A file was named without its feed, and not exactly one feed has a `match` that takes its name.",
        "Name the feed with --feed; `landfall feed list` shows them with their patterns.";
    H131: "there is no such state",
        "A feed's columns or contract never were what the command line names.",
        "`landfall feed history` lists every revision and every contract that was in force.";
    H132: "nothing to propose a contract from",
        "A contract is proposed from the tables that a feed has taken, and it has none.",
        "Send some files first, or look into one with `landfall inspect`.";
    H133: "a question has no answer",
        "A new feed is not made without an owner, a purpose, and a word on names that come again and on personal data.",
        "Answer it, or give the flag that is named; `landfall feed new --help` lists them.";
    H134: "the feed was not added",
        "The feed could not be written into landfall.toml; nothing was changed.",
        "See the cause; take another name, or write the feed yourself and run `landfall check`.";
    H140: "files are late",
        "The feed expects files by a time (`[feed.<name>.expect]`), and they have not all come.",
        "Ask the sender; when the files come, this goes away. A day that has no files belongs into the file of `except`, followed by `landfall reload`.";
    H141: "files are missing",
        "A date's files have not all come, and the next date's day has begun.",
        "Ask the sender; when the files come, this goes away. A day that has no files belongs into the file of `except`, followed by `landfall reload`.";
    H142: "file was not expected",
        "A file came for a date that has its files already or has none, or its name does not say its date. It is taken as any other.",
        "Ask the sender. Correct `days`, `except`, `files` or `match` in `[feed.<name>.expect]` if it is right; `tell` without `\"extra\"` says nothing of such files.";
    H143: "file is unusually large or small",
        "Its rows or bytes are more than five times the median deviation, and more than half of the median, away from the median of the feed's 20 files before it; or it is empty and none of them was. It is taken as any other.",
        "Look at it with `landfall show`, and ask the sender. It goes away with the next file that is as usual; `tell` without `\"unusual\"` in `[feed.<name>.expect]` says nothing of sizes.";
    H144: "a door is down",
        "A part of the running server that takes files in ended by itself. Nothing comes in that way.",
        "See the log for why, and restart the server.";
    H145: "an alert is not told",
        "Somebody is to be told of what needs a person (`[[alert]]`), and did not take the message. It is sent again until it is taken.",
        "Mend the receiver or the command; `landfall alert test NAME` tries it.";
    H146: "the disk is nearly full",
        "Less is free on the zone's disk than `[zone] free_reserve`: uploads are refused, so that what was begun can be finished.",
        "Free disk space; uploads are taken again by themselves.";
    L101: "ledger is not usable",
        "The ledger could not be opened, read or written.",
        "Check disk space and permissions; restore it from a backup if it is damaged.";
    L110: "ledger is older than what was signed",
        "The ledger ends before its newest signed checkpoint: an older copy of it was put in its place. To go on would sign a second history, so the zone is not served.",
        "Run `landfall rebuild`: it brings the missing events back from the archive. Or put the newest copy of the ledger back.";
    L111: "ledger is another than the archived one",
        "The archive has the signed events of a log, and the ledger does not belong to it: it was deleted, or comes from another zone.",
        "Run `landfall rebuild`: it makes the ledger again from the archive. Or put the zone's own ledger back.";
    L112: "history is not what was signed",
        "The first events in the ledger are not those under a signed checkpoint: somebody or something changed them. Nothing more is signed.",
        "Keep the ledger as it is for the people who look into it. `landfall audit verify` names the first event that does not fit; put a backup back, or run `landfall rebuild`.";
    L113: "evidence could not be exported",
        "The bundle of a period could not be made whole. What there is of it is not to be given to anybody.",
        "See the causes; remove the folder and export again.";
    L115: "ledger could not be rebuilt",
        "Making the ledger again from the archive did not come to its end. What was there is untouched or set aside beside it.",
        "See the causes; free disk space, mend permissions, and run it again.";
    L116: "checkpoints are not signed",
        "The ledger goes on, but its newest events are not covered by a signed checkpoint: the cause says why. It is tried again all the time.",
        "Mend what the cause names, mostly the disk or the folder `archive/_events`; nothing else is to be done.";
    L117: "checkpoints are not published",
        "Checkpoints could not be copied to the folder of `[audit] publish_to`. They are signed and in the archive, and are copied once the folder is there again.",
        "Mend the folder or its mount, or correct `publish_to` in landfall.toml.";
    L118: "checkpoints are not posted",
        "The newest checkpoint could not be posted to `[audit] publish_url`. It is signed and in the archive, and is posted again every minute until the receiver takes it.",
        "Mend the receiver or the way to it, or correct `publish_url` in landfall.toml.";
    L114: "receipt does not hold",
        "A receipt, its signature or the proof in it is not what this zone gave out.",
        "Ask whoever gave it to you for the receipt and its `.sig` as they came; check with the key that the zone told you.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text is not a known code.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a diagnostic code")]
pub struct UnknownCode(String);

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        let known = Self::ALL.iter().find(|code| code.as_str().eq_ignore_ascii_case(text));
        known.copied().ok_or_else(|| UnknownCode(text.to_owned()))
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}
