//! `snowflake_copy.py`, against an emulator of Snowflake: what is live is in the tables, each row once.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::shop::{Background, Shop, example, python_with_spark};

/// Starts an emulator; the folder has a connection `landing` to it.
fn emulated() -> (Background, tempfile::TempDir) {
    let program = "import fakesnow, sys\n\
         with fakesnow.server() as server: print(server['port'], flush=True); sys.stdin.read()";
    let (server, port) = Background::start(&python_with_spark(), program);
    let home = tempfile::tempdir().unwrap();
    let connections = home.path().join("connections.toml");
    let connection = format!(
        "[landing]\nuser = 'it'\npassword = 's3cret'\naccount = 'fakesnow'\nhost = '127.0.0.1'\n\
         port = {port}\nprotocol = 'http'\ndatabase = 'lake'\nschema = 'raw'\n"
    );
    fs::write(&connections, connection).unwrap();
    fs::set_permissions(&connections, fs::Permissions::from_mode(0o600)).unwrap();
    (server, home)
}

/// Rows as Python has them, one a line.
fn query(home: &tempfile::TempDir, sql: &str) -> String {
    let program = "import snowflake.connector, sys\n\
         with snowflake.connector.connect(connection_name='landing') as session:\n    \
         for row in session.cursor().execute(sys.argv[1]).fetchall(): print(row)";
    let output = std::process::Command::new(python_with_spark())
        .args(["-c", program, sql])
        .env("SNOWFLAKE_HOME", home.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
#[ignore = "too big for every day: tests/readers/run installs an emulator and runs this"]
fn snowflake_has_each_row_that_is_live_once() {
    let (_server, home) = emulated();
    let command = format!(
        "SNOWFLAKE_HOME={} exec {} {} landing \"$@\"",
        home.path().display(),
        python_with_spark(),
        example("snowflake_copy.py")
    );
    let shop = Shop::open(&["sh", "-c", &command, "sh"]);
    let tested = shop.zone.run(&["sink", "test", "it"]);
    assert!(tested.status.success(), "{tested:?}");
    shop.send("a.csv", "id,amount,day\n1,10.50,2026-01-31\n2,20.00,2026-02-01\n");
    // A column more, named as SQL names something else.
    shop.send("b.csv", "id,amount,day,select\n3,5.00,2026-02-02,it's\n");
    let (_, told) = shop.send("c.csv", "id,amount,day,select\n4,some,2026-02-02,y\n");
    assert_eq!(told.acknowledgement.unwrap().trim(), r#"{"tables": ["orders_v2"], "rows": 1}"#);
    shop.send("a.csv", "id,amount,day,select\n1,11.50,2026-01-31,\n");
    assert_eq!(
        query(
            &home,
            r#"SELECT "id", "amount"::text, "day"::text, "select" FROM "orders_v1" ORDER BY 1"#
        ),
        r#"(3, '5.00', '2026-02-02', "it's")"#
    );
    assert_eq!(
        query(&home, r#"SELECT "id", "amount", "select" FROM "orders_v2" ORDER BY 1"#),
        "(1, '11.50', None)\n(4, 'some', 'y')"
    );
}
