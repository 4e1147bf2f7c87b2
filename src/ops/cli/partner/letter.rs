//! What to tell a new partner: where to connect, how to know the server, where files go.

use std::net::SocketAddr;

use crate::config::{Config, Partner};
use crate::diagnostic::{Code, Diagnostic};
use crate::ops::cli::receipt::allowed_signer_line;
use crate::ops::control::Client;
use crate::receive::sftp::keys::{self, Standing};
use crate::zone::Zone;

/// A text to send to the partner.
pub(super) fn text(
    zone: &Zone,
    config: &Config,
    account: &Partner,
    host: Option<&str>,
) -> Result<String, Diagnostic> {
    let signer = allowed_signer_line(zone, &config.name)?;
    let host_key = keys::host_key(zone).map_err(|error| {
        Diagnostic::error(Code::Z105, "the server's host key cannot be used").caused_by(&error)
    })?;
    let Some(address) = address(zone, config) else {
        return Ok("The SFTP door is closed: `[sftp] enabled = false` in landfall.toml.".to_owned());
    };
    let host = host.map_or_else(|| host_of(address), ToOwned::to_owned);
    let (name, port) = (&account.name, address.port());
    let line = keys::public_line(&host_key);
    let fingerprint = keys::fingerprint(&line).unwrap_or_default();
    let known_host = if port == 22 { host.clone() } else { format!("[{host}]:{port}") };
    let mut text = format!(
        "To tell the partner:\n\n\
         \x20 Server {host}, port {port}, user {name}, {}.\n\
         \x20 The server's key is {fingerprint}; its line for known_hosts:\n\
         \x20   {known_host} {line}\n",
        login(account)
    );
    let next = keys::host_keys(zone).into_iter().find(|key| key.standing == Standing::Next);
    if let Some(next) = next.and_then(|next| keys::line_alone(&next.line)) {
        let fingerprint = keys::fingerprint(&next).unwrap_or_default();
        text.push_str(&format!(
            "  Soon the server's key will be {fingerprint}. Add its line now and keep the other:\n\
             \x20   {known_host} {next}\n"
        ));
    }
    let only = account.feeds.len() == 1;
    for feed in &account.feeds {
        let patterns = config.feed(feed).patterns;
        let patterns =
            if patterns.is_empty() { "any name".to_owned() } else { patterns.join(", ") };
        let place =
            if only { format!("{feed} (you are in it after login)") } else { feed.to_string() };
        text.push_str(&format!("  Put files into the folder {place}; names: {patterns}.\n"));
    }
    for (path, feed) in &account.aliases {
        text.push_str(&format!("  The path {path} leads to the folder {feed}.\n"));
    }
    text.push_str(&format!(
        "  A file is taken when your client has closed it; nothing half-finished is ever used.\n\
         \x20 To be sure that a broken upload is never taken, upload as NAME.part and rename it.\n\
         \x20 Seconds later /receipts/FEED/NAME.receipt.json says what became of it: its size, its\n\
         \x20 SHA-256, its outcome; NAME.problem.txt beside it says what is wrong, if anything is.\n\
         \x20 README.txt on the server says the same, and how to check the signatures of receipts with\n\
         \x20 this line in a file allowed_signers:\n\
         \x20   {signer}\n\
         \x20 Try it: sftp -P {port} {name}@{host}\n"
    ));
    Ok(text)
}

/// Where the door listens: as the running server says, else as it is configured.
fn address(zone: &Zone, config: &Config) -> Option<SocketAddr> {
    let server = Client::find(zone).ok().flatten().and_then(|client| client.status().ok());
    let running = server.and_then(|server| server.sftp).and_then(|text| text.parse().ok());
    running.or(config.sftp.listen)
}

/// The address itself, or this machine's name when it listens everywhere.
fn host_of(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    } else {
        address.ip().to_string()
    }
}

fn login(account: &Partner) -> String {
    let mut ways: Vec<String> = Vec::new();
    for key in &account.keys {
        let fingerprint = keys::fingerprint(&key.line).unwrap_or_else(|| "unreadable".to_owned());
        ways.push(format!("the key {fingerprint}"));
    }
    for ca in &account.authorities {
        let fingerprint = keys::fingerprint(&ca.line).unwrap_or_else(|| "unreadable".to_owned());
        ways.push(format!("a certificate of the authority {fingerprint}"));
    }
    if account.password.is_some() {
        ways.push("the password you agreed on".to_owned());
    }
    format!("log in with {}", ways.join(" or "))
}
