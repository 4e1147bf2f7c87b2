//! A certificate authority of the test's own, made with openssl, as an operator would.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An authority and the certificates that it signed.
pub struct Authority(tempfile::TempDir);

impl Authority {
    pub fn new() -> Self {
        let authority = Self(tempfile::tempdir().unwrap());
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(authority.0.path(), open).unwrap();
        // No two have the same name.
        let subject = format!("/CN={}", authority.0.path().file_name().unwrap().display());
        let named = ["-subj", &subject, "-keyout", "ca.key", "-out", "ca.pem"];
        authority.certify("basicConstraints = critical,CA:true", &named);
        authority
    }

    /// Its certificate.
    pub fn certificate(&self) -> PathBuf {
        self.0.path().join("ca.pem")
    }

    /// A certificate and its key for a server that this names (`IP:127.0.0.1`, `DNS:db`), owned by
    /// `user`.
    pub fn sign(&self, names: &str, user: Option<&str>) -> (PathBuf, PathBuf) {
        let signed = ["-subj", "/CN=server", "-CA", "ca.pem", "-CAkey", "ca.key"];
        let out = ["-keyout", "server.key", "-out", "server.pem"];
        let says = format!("basicConstraints = critical,CA:false\nsubjectAltName = {names}");
        self.certify(&says, &[&signed[..], &out].concat());
        let (certificate, key) =
            (self.0.path().join("server.pem"), self.0.path().join("server.key"));
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        if let Some(user) = user.filter(|_| rustix::process::geteuid().is_root()) {
            let given = Command::new("chown").arg(user).arg(&key).status().unwrap();
            assert!(given.success());
        }
        (certificate, key)
    }

    /// Makes a key and a certificate that says this.
    fn certify(&self, says: &str, arguments: &[&str]) {
        let config = format!("[req]\ndistinguished_name = dn\n[dn]\n[says]\n{says}\n");
        fs::write(self.0.path().join("openssl.conf"), config).unwrap();
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-days", "2", "-config", "openssl.conf", "-extensions", "says"])
            .args(arguments)
            .current_dir(self.0.path())
            .output();
        let output = output.expect("openssl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A file that holds no certificate.
pub fn no_certificate(folder: &Path) -> PathBuf {
    let path = folder.join("none.pem");
    fs::write(&path, "nothing\n").unwrap();
    path
}
