//! `README.txt` in a partner's view: where files go, and what becomes of them.

use super::account::Account;
use super::view;
use crate::config::Complete;
use crate::config::partner::ReadBack;
use crate::receive::TESTS_LISTED;
use crate::signing::{Namespace, principal};

/// The text of `README.txt`.
pub fn text(account: &Account) -> Vec<u8> {
    let (partner, config) = (&account.partner, account.desk.config.now());
    let mut text = format!(
        "This is the landing zone `{}`. You are logged in as {}.\n\n",
        config.name, partner.name
    );
    text.push_str("Put your files into the folder of their feed:\n\n");
    for feed in &partner.feeds {
        let settings = config.feed(feed);
        let purpose = settings.purpose.unwrap_or_default();
        text.push_str(format!("  /{feed}/  {purpose}").trim_end());
        text.push_str(match settings.complete {
            Complete::Close => "\n",
            Complete::Rename => {
                "\n      upload each file as NAME.part and rename it to NAME when it is whole\n"
            }
            Complete::Marker => "\n      after each file NAME send NAME.ok, which may be empty\n",
            Complete::Checksum => "\n      with each file NAME send NAME.sha256 (or .sha1, .md5)\n",
        });
        if let Some(time) = settings.retain.receipts {
            let days = time.as_secs().div_ceil(24 * 3600);
            text.push_str(&format!("      its receipts are kept for {days} days\n"));
        }
    }
    text.push_str(
        "\nA file is taken when your client closes it; from then on it is safe here. To be sure that\n\
         a broken upload is never taken, upload as NAME.part and rename it to NAME at the end.\n\
         An upload that breaks off stays and can be resumed. A file of the same name sent again\n\
         is a new version. Removing a file only takes it out of your listing.\n\n\
         With a file NAME you may send NAME.sha256, NAME.sha1 or NAME.md5, before or after it, as\n\
         `sha256sum NAME` prints it: NAME is handed on only if it has that checksum. NAME.ok or\n\
         NAME.done says that NAME is complete, for feeds that ask for it. These may have 64 KiB.\n\n\
         What became of a file is in /receipts/FEED/NAME.receipt.json: its size, its SHA-256 and\n\
         its outcome. If something is wrong with it, /receipts/FEED/NAME.problem.txt tells what.\n\
         Removing these takes them out of the listing until the outcome changes.\n\n",
    );
    if view::has_tests(partner) {
        text.push_str(&format!(
            "Try a file in /test/FEED/: it is looked at like any other and has its receipt, in\n\
             /receipts/test/FEED/NAME.receipt.json, but nothing of it is handed on. It is listed \
             for {} days.\n\n",
            TESTS_LISTED.as_secs() / (24 * 3600)
        ));
    }
    text.push_str(&format!(
        "Once the outcome is final, /receipts/FEED/NAME.receipt.json.sig signs the receipt. Get it\n\
         first: once it is there, the receipt does not change any more. To check\n\
         it, put the line that the people who run this server gave you into a file `allowed_signers`:\n\n\
         \x20 ssh-keygen -Y verify -f allowed_signers -I {} -n {} \\\n\
         \x20   -s NAME.receipt.json.sig < NAME.receipt.json\n\n",
        principal(&config.name),
        Namespace::Receipt.as_str(),
    ));
    text.push_str(&match partner.read_back {
        ReadBack::Never => "Files cannot be read back; their receipts can.\n".to_owned(),
        ReadBack::Always => {
            "You may read your files back for as long as they are listed.\n".to_owned()
        }
        ReadBack::For(time) => format!(
            "You may read your files back for {} hours; their receipts longer.\n",
            time.as_secs().div_ceil(3600)
        ),
    });
    text.into_bytes()
}
