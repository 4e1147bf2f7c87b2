//! Paths that try to lead out of a view.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::outside::CANARY;

/// Ways to begin.
const BEGINNINGS: [&str; 11] = [
    "",
    "/",
    "//",
    "./",
    "~/",
    "~root/",
    "/orders/",
    "orders/sub/",
    "/receipts/orders/",
    "/outgoing/",
    "/README.txt/",
];

/// Ways to go up, each once, thrice and nine times.
const CLIMBS: [&[u8]; 12] = [
    b"../",
    b"..//",
    b"./../",
    b".../",
    b"....//",
    b"..\\",
    b"%2e%2e/",
    b"..%2f",
    b"..%c0%af",
    b"..\0/",
    b"\xc0\xae\xc0\xae/",
    b"..;/",
];

/// All of them, a few thousand, and of those every so many that about 1,000 are left.
pub fn all(outside: &Path, zone: &Path) -> Vec<Vec<u8>> {
    let canary = format!("{CANARY}.txt");
    let (outside, zone) = (outside.as_os_str().as_bytes(), zone.as_os_str().as_bytes());
    let below = |folder: &[u8], name: &str| [folder, b"/", name.as_bytes()].concat();
    let goals: Vec<Vec<u8>> = vec![
        below(outside, &canary),
        outside.to_vec(),
        below(zone, &canary),
        canary.clone().into_bytes(),
        b"landfall.toml".to_vec(),
        b".landfall/ledger.db".to_vec(),
        b".landfall/keys/ssh_host_ed25519_key".to_vec(),
        b"partners/acme.toml".to_vec(),
        b"archive/_events".to_vec(),
        b"inbox/orders/swap0.csv".to_vec(),
        format!("inbox/orders/sub/{CANARY}.csv").into_bytes(),
        b"inbox/orders/_done".to_vec(),
        b"etc/passwd".to_vec(),
        b"proc/self/environ".to_vec(),
        b"dev/stdin".to_vec(),
    ];
    let mut paths: Vec<Vec<u8>> = Vec::new();
    // The goals as they are.
    for goal in &goals {
        for beginning in BEGINNINGS {
            paths.push([beginning.as_bytes(), goal].concat());
        }
    }
    for prefix in
        ["/proc/self/root", "/proc/self/cwd", "/dev/fd/3", "file://", "\\\\?\\", "|", "$HOME/"]
    {
        paths.push([prefix.as_bytes(), &goals[0]].concat());
        paths.push([b"/orders/", prefix.as_bytes(), &goals[0]].concat());
    }
    let mut climbing = Vec::new();
    for beginning in BEGINNINGS {
        for climb in CLIMBS {
            for times in [1, 3, 9] {
                for goal in &goals {
                    climbing.push([beginning.as_bytes(), &climb.repeat(times), goal].concat());
                }
            }
        }
    }
    // Seven shares no factor with the lengths above, so that every kind is among those left.
    paths.extend(climbing.into_iter().step_by(7));
    paths
}
