//! Who runs this command, for the record.

/// The user's name: of the one who called sudo when there is one, else of the process's user. A
/// user without a name is `uid-<number>`.
pub fn who() -> String {
    let uid = rustix::process::getuid().as_raw();
    let caller = std::env::var("SUDO_USER").ok().filter(|name| uid == 0 && !name.is_empty());
    let users = || std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    caller.or_else(|| name_of(uid, &users())).unwrap_or_else(|| format!("uid-{uid}"))
}

/// The name of a uid in the text of passwd(5): `name:password:uid:…`.
fn name_of(uid: u32, users: &str) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_number() {
        let users = "root:x:0:0::/root:/bin/sh\nana:x:1000:1000::/home/ana:/bin/sh\n";
        assert_eq!(name_of(1000, users).as_deref(), Some("ana"));
        assert_eq!(name_of(7, users), None);
    }
}
