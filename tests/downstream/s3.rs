//! `s3.py`, against an emulator of S3: each file once, the manifest last, nothing replaced.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::shop::{Background, Shop, example, python};
use crate::support;

/// What an S3 client is told by its environment.
const LOGIN: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "it"),
    ("AWS_SECRET_ACCESS_KEY", "s3cret"),
    ("AWS_DEFAULT_REGION", "us-east-1"),
];

/// An S3 that is emulated, with a bucket `lake`.
struct S3 {
    _server: Background,
    endpoint: String,
}

impl S3 {
    fn start() -> Self {
        let program = "import sys; from moto.server import ThreadedMotoServer; \
             server = ThreadedMotoServer(port=0, verbose=False); server.start(); \
             print(server.get_host_and_port()[1], flush=True); sys.stdin.read()";
        let (server, port) = Background::start(&python(), program);
        let s3 = Self { _server: server, endpoint: format!("http://127.0.0.1:{port}") };
        s3.ask("client.create_bucket(Bucket='lake')");
        s3
    }

    /// Runs Python with a `client`.
    fn ask(&self, code: &str) -> String {
        let login = LOGIN.map(|(name, value)| format!("os.environ['{name}'] = '{value}'"));
        let program = format!(
            "import boto3, os\n{}\nclient = boto3.client('s3', endpoint_url='{}')\n{code}",
            login.join("\n"),
            self.endpoint
        );
        support::python(&program, &[])
    }

    fn keys(&self) -> Vec<String> {
        let listed = self.ask(
            "for one in client.list_objects_v2(Bucket='lake').get('Contents', []): print(one['Key'])",
        );
        listed.lines().map(str::to_owned).collect()
    }

    fn get(&self, key: &str) -> String {
        self.ask(&format!(
            "print(client.get_object(Bucket='lake', Key='{key}')['Body'].read().hex())"
        ))
    }

    fn environment(&self) -> String {
        let endpoint = [("AWS_ENDPOINT_URL", self.endpoint.as_str())];
        let all = LOGIN.iter().chain(&endpoint);
        all.map(|(name, value)| format!("{name}={value} ")).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_batch_is_in_the_bucket_byte_for_byte_with_its_manifest_last() {
    let s3 = S3::start();
    let command = format!(
        "{}exec {} {} s3://lake/landing \"$@\"",
        s3.environment(),
        python(),
        example("s3.py")
    );
    let shop = Shop::open(&["sh", "-c", &command, "sh"]);
    let tested = shop.zone.run(&["sink", "test", "it"]);
    assert!(tested.status.success(), "{tested:?}");
    assert!(s3.keys().is_empty(), "a test has no effect");

    let (batch, told) = shop.send("a.csv", "id\n1\n2\n");
    let (file, manifest) = (batch.files[0].to.as_str(), "lake/orders/_manifests/0000000001.json");
    assert!(told.acknowledgement.unwrap().contains(&format!("s3://lake/landing/{manifest}")));
    assert_eq!(s3.keys(), [format!("landing/{manifest}"), format!("landing/{file}")]);
    assert_eq!(s3.get(&format!("landing/{file}")), hex(&fs::read(shop.path(file)).unwrap()));
    // The manifest is landfall's, but for the addresses.
    let copied = s3.ask(&format!(
        "print(client.get_object(Bucket='lake', Key='landing/{manifest}')['Body'].read().decode())"
    ));
    let copied: Value = serde_json::from_str(&copied).unwrap();
    let mut own: Value = serde_json::from_slice(&fs::read(shop.path(manifest)).unwrap()).unwrap();
    own["entries"][0]["url"] = format!("s3://lake/landing/{file}").into();
    assert_eq!(copied, own);

    // Somebody's other file is where the next manifest belongs.
    let next = "landing/lake/orders/_manifests/0000000002.json";
    s3.ask(&format!("client.put_object(Bucket='lake', Key='{next}', Body=b'mine')"));
    shop.send_to_refusal("b.csv", "id\n3\n");
    let status = String::from_utf8(shop.zone.run(&["status"]).stdout).unwrap();
    assert!(status.contains("is there already and is another file"), "{status}");
    assert_eq!(s3.get(next), hex(b"mine"), "nothing is replaced");
}

#[test]
fn a_file_that_is_not_the_manifests_is_not_copied() {
    let s3 = S3::start();
    let zone = tempfile::tempdir().unwrap();
    fs::write(zone.path().join("a.parquet"), "rotten").unwrap();
    let manifest = format!(
        r#"{{"feed": "orders", "sequence": 1, "rows": 1, "rejects": [], "retracts": [],
            "entries": [{{"url": "a.parquet", "sha256": "{}"}}]}}"#,
        "0".repeat(64)
    );
    fs::write(zone.path().join("1.json"), manifest).unwrap();
    let told = Command::new(python())
        .args([&example("s3.py"), "s3://lake", "1.json"])
        .current_dir(zone.path())
        .envs(LOGIN)
        .env("AWS_ENDPOINT_URL", &s3.endpoint)
        .stdin(fs::File::open(zone.path().join("1.json")).unwrap())
        .output()
        .unwrap();
    assert!(!told.status.success());
    let said = String::from_utf8(told.stderr).unwrap();
    assert_eq!(said, "a.parquet is not what the manifest says it is\n");
    assert!(s3.keys().is_empty());
}
