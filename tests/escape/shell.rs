//! The same paths in commands: `scp -t`, `scp -f` and the sums.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use russh::ChannelMsg;
use russh::client;
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};

use crate::outside;
use crate::zone::Server;

struct Anyone;

impl client::Handler for Anyone {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        _offered: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

pub fn try_everything(server: &Server, key: &Path, paths: &[Vec<u8>]) {
    let key = PrivateKey::from_openssh(fs::read(key).expect("a key")).expect("a key");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("one");
    runtime.block_on(async {
        let config = Arc::new(client::Config { nodelay: true, ..client::Config::default() });
        let address = ("127.0.0.1", server.port);
        let mut session = client::connect(config, address, Anyone).await.expect("connected");
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
        let answer = session.authenticate_publickey("acme", key).await.expect("an answer");
        assert!(answer.success());
        for path in paths {
            let quoted = quoted(path);
            for (command, input) in [
                ("scp -t", b"C0644 5 x.csv\nevil\n\0".as_slice()),
                ("scp -r -t", b"D0755 0 evil\nC0644 5 x.csv\nevil\n\0E\n"),
                ("scp -r -p -f", &[0; 64]),
                ("md5sum", b""),
            ] {
                let command = [command.as_bytes(), b" ", &quoted].concat();
                let said = run(&session, &command, input).await;
                inspect(&command, &said);
            }
        }
    });
}

/// Everything a command said, to standard output and to standard error.
async fn run(session: &client::Handle<Anyone>, command: &[u8], input: &[u8]) -> Vec<u8> {
    let mut channel = session.channel_open_session().await.expect("a channel");
    channel.exec(true, command).await.expect("begun");
    channel.data(input).await.ok();
    channel.eof().await.ok();
    let mut said = Vec::new();
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } => {
                said.extend_from_slice(&data);
            }
            ChannelMsg::Close => break,
            _ => {}
        }
    }
    said
}

/// What was said has no bytes of a canary or of a file that is not the partner's.
fn inspect(command: &[u8], said: &[u8]) {
    outside::inspect(command, said);
    for told in [b"C0644 7919 ".as_slice(), b"root:", b"BEGIN OPENSSH"] {
        let is_told = said.windows(told.len()).any(|part| part == told);
        assert!(!is_told, "{}: {}", command.escape_ascii(), said.escape_ascii());
    }
}

/// In single quotes, as a shell reads them.
fn quoted(path: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in path {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}
