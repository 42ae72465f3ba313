//! The lines of `/etc/passwd` and `/etc/group`, and the password fields. Source: passwd(5), group(5), crypt(5).

use super::{Group, Password, UserEntry};

/// Lines of another shape are passed over, as the C library does: `+::::::` of NIS is one.
pub(super) fn parse_users(text: &str) -> Vec<UserEntry> {
    let user = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, password, uid, gid, _, home, shell] = fields[..] else {
            return None;
        };
        Some(UserEntry {
            name: name.to_owned(),
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            home: home.into(),
            shell: shell.into(),
            password: password.to_owned(),
        })
    };
    text.lines().filter_map(user).collect()
}

/// As [`parse_users`].
pub(super) fn parse_groups(text: &str) -> Vec<Group> {
    let group = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, gid, members] = fields[..] else {
            return None;
        };
        let members = members.split(',').filter(|member| !member.is_empty());
        Some(Group {
            name: name.to_owned(),
            gid: gid.parse().ok()?,
            members: members.map(str::to_owned).collect(),
        })
    };
    text.lines().filter_map(group).collect()
}

/// crypt(5): a field that begins with `!` or `*` is no hash of any password.
pub(super) fn judge_password(field: &str) -> Password {
    match field.as_bytes().first() {
        None => Password::Empty,
        Some(b'!' | b'*') => Password::Locked,
        Some(_) => Password::Set,
    }
}
