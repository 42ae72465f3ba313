//! Users and groups: read from `/etc/passwd`, `/etc/group` and `/etc/shadow` below the root, and the service user made as Debian's package makes it.
//! It changes no account that exists, and starts no program to read one.

mod reading;

pub use reading::{read_group, read_groups_of, read_id, read_password, read_user};

use super::{Obstacle, Sight};
use crate::host::{Host, HostError, HostResult, Run};
use std::path::{Path, PathBuf};

/// Debian Policy 9.2.2: ids that packages may take while they are installed.
const SYSTEM_IDS: std::ops::RangeInclusive<u32> = 100..=999;

const NOLOGIN: &str = "/usr/sbin/nologin";

/// A user, as `/etc/passwd` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEntry {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub home: PathBuf,
    pub shell: PathBuf,
    /// The password field: `x` when `/etc/shadow` has it.
    password: String,
}

/// Whether a password opens an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Password {
    /// None does.
    Locked,
    /// One does.
    Set,
    /// An empty one does.
    Empty,
}

/// The users and groups of a host.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    users: Vec<UserEntry>,
    groups: Vec<Group>,
    /// Whether this machine's name service may be asked too (LDAP, systemd): never about another root.
    live: bool,
}

#[derive(Clone, Debug)]
struct Group {
    name: String,
    gid: u32,
    members: Vec<String>,
}

impl UserEntry {
    /// Whether it is below the first id of people's accounts.
    pub fn is_system(&self) -> bool {
        self.uid != 0 && self.uid <= *SYSTEM_IDS.end()
    }
}

impl Accounts {
    /// The host's accounts; a tree without `/etc/passwd` has none.
    pub fn read(host: &Host) -> HostResult<Accounts> {
        let text = |path: &str| -> HostResult<String> {
            let bytes = host.read(Path::new(path))?.unwrap_or_default();
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(Accounts {
            users: parse_users(&text("/etc/passwd")?),
            groups: parse_groups(&text("/etc/group")?),
            live: host.is_live_root(),
        })
    }

    /// A user by name.
    pub fn user(&self, name: &str) -> HostResult<Option<UserEntry>> {
        match self.local_user(name) {
            Some(user) => Ok(Some(user.clone())),
            None if self.live => user_of_name_service(name),
            None => Ok(None),
        }
    }

    /// A user's id.
    pub fn uid(&self, name: &str) -> Option<u32> {
        // A name service that does not answer knows no user for us: whoever makes one asks `user`, which says why.
        self.user(name).ok().flatten().map(|user| user.uid)
    }

    /// A group's id.
    pub fn gid(&self, name: &str) -> Option<u32> {
        let local = self.groups.iter().find(|group| group.name == name);
        if let Some(group) = local {
            return Some(group.gid);
        }
        // As for `uid`.
        let other = self
            .live
            .then(|| nix::unistd::Group::from_name(name).ok().flatten());
        other.flatten().map(|group| group.gid.as_raw())
    }

    /// The name that `/etc/passwd` has for an id.
    pub fn user_name(&self, uid: u32) -> Option<&str> {
        let user = self.users.iter().find(|user| user.uid == uid)?;
        Some(&user.name)
    }

    /// The name that `/etc/group` has for an id.
    pub fn group_name(&self, gid: u32) -> Option<&str> {
        let group = self.groups.iter().find(|group| group.gid == gid)?;
        Some(&group.name)
    }

    /// The names of the groups that a user is in beside its own, sorted.
    pub fn groups_of(&self, user: &UserEntry) -> Vec<&str> {
        // Its primary group is its own only where it has its name.
        let own = |group: &&Group| group.gid == user.gid && group.name == user.name;
        let others = self.groups.iter().filter(|group| !own(group));
        let mut names: Vec<&str> = others
            .filter(|group| group.members.contains(&user.name) || group.gid == user.gid)
            .map(|group| group.name.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The users that a group is given to, as their own or beside it.
    pub fn members(&self, gid: u32) -> Vec<&UserEntry> {
        let group = self.groups.iter().find(|group| group.gid == gid);
        let named = |user: &&UserEntry| group.is_some_and(|g| g.members.contains(&user.name));
        let users = self.users.iter();
        users
            .filter(|user| user.gid == gid || named(user))
            .collect()
    }

    /// Whether more than one name has this id.
    pub fn is_shared(&self, uid: u32) -> bool {
        self.users.iter().filter(|user| user.uid == uid).count() > 1
    }

    /// Whether a password opens a local user's account; `None` when `/etc/passwd` has no such user.
    pub fn password(&self, host: &Host, name: &str) -> HostResult<Option<Password>> {
        let Some(user) = self.local_user(name) else {
            return Ok(None);
        };
        if user.password != "x" {
            return Ok(Some(judge_password(&user.password)));
        }
        let shadow = host.read(Path::new("/etc/shadow"))?.unwrap_or_default();
        let shadow = String::from_utf8_lossy(&shadow);
        let mut lines = shadow.lines().map(|line| line.split(':'));
        let password = lines.find_map(|mut fields| {
            (fields.next() == Some(name)).then(|| fields.next().unwrap_or_default().to_owned())
        });
        // Without a line in the shadow file there is no password that could match.
        Ok(Some(
            password.map_or(Password::Locked, |p| judge_password(&p)),
        ))
    }

    fn local_user(&self, name: &str) -> Option<&UserEntry> {
        self.users.iter().find(|user| user.name == name)
    }

    /// The ids that adduser would take: the first free one of users, and the first free one of groups.
    fn free_system_ids(&self) -> Option<(u32, u32)> {
        let uid = SYSTEM_IDS
            .into_iter()
            .find(|id| self.user_name(*id).is_none())?;
        let gid = SYSTEM_IDS
            .into_iter()
            .find(|id| self.group_name(*id).is_none())?;
        Some((uid, gid))
    }
}

/// Makes a system user and its group as Debian's redis-tools makes them. One that is there already stays as it is.
pub fn create_service_user(host: &Host, name: &str, home: &Path) -> HostResult<()> {
    let doing = || format!("creating the user {name}");
    let accounts = Accounts::read(host)?;
    if accounts.user(name)?.is_some() {
        return Ok(());
    }
    let home = home
        .to_str()
        .ok_or_else(|| HostError::refused(doing(), "its home is not UTF-8 text"))?;
    if host.find_program("adduser").is_some() {
        // The very call of redis-tools' postinst.
        let adduser =
            Run::new("adduser").args(&["--system", "--home", home, "--quiet", "--group", name]);
        return host.run_ok(&adduser).map(drop);
    }
    add_user(host, &accounts, name, home)
}

/// An account that exists is its owner's to change: other things may depend on its shell, home and id.
pub fn obstacle(sight: Sight, name: &str) -> Option<Obstacle> {
    // Where the name service does not answer, the write says why.
    let exists = matches!(sight.facts.accounts.user(name), Ok(Some(_)));
    exists.then(|| {
        Obstacle::Hand(format!(
            "{name} exists already, and no account that exists is changed here; see usermod(8)"
        ))
    })
}

/// As adduser does it itself, where only `useradd` is there; but the home directory is left to its own setting.
fn add_user(host: &Host, accounts: &Accounts, name: &str, home: &str) -> HostResult<()> {
    let (uid, gid) = accounts.free_system_ids().ok_or_else(|| {
        HostError::refused(
            format!("creating the user {name}"),
            "no system id from 100 to 999 is free",
        )
    })?;
    // A group that is there already is the user's, as with adduser.
    let gid = match accounts.gid(name) {
        Some(gid) => gid.to_string(),
        None => {
            let groupadd =
                Run::new("groupadd").args(&["--system", "--gid", &gid.to_string(), name]);
            host.run_ok(&groupadd)?;
            gid.to_string()
        }
    };
    let useradd = Run::new("useradd")
        .args(&[
            "--system",
            "--uid",
            &uid.to_string(),
            "--gid",
            &gid,
            "--comment",
            "",
        ])
        .args(&[
            "--home-dir",
            home,
            "--no-create-home",
            "--shell",
            NOLOGIN,
            name,
        ]);
    host.run_ok(&useradd).map(drop)
}

fn user_of_name_service(name: &str) -> HostResult<Option<UserEntry>> {
    let user = nix::unistd::User::from_name(name)
        .map_err(|e| HostError::errno(format!("asking the name service for the user {name}"), e))?;
    Ok(user.map(|user| UserEntry {
        name: user.name,
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        home: user.dir,
        shell: user.shell,
        password: user.passwd.to_string_lossy().into_owned(),
    }))
}

/// Lines of another shape are passed over, as the C library does: `+::::::` of NIS is one.
fn parse_users(text: &str) -> Vec<UserEntry> {
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
fn parse_groups(text: &str) -> Vec<Group> {
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
fn judge_password(field: &str) -> Password {
    match field.as_bytes().first() {
        None => Password::Empty,
        Some(b'!' | b'*') => Password::Locked,
        Some(_) => Password::Set,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Reach;

    const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/bash
redis:x:105:107::/var/lib/redis:/usr/sbin/nologin
open::1001:1001::/home/open:/bin/sh
old:$1$abc:1002:1001::/home/old:/bin/sh
+::::::
short:x:1
";
    const GROUP: &str =
        "root:x:0:\nredis:x:107:redis\nadm:x:4:syslog,redis\nssl-cert:x:108:redis\nempty:x:9:\n";

    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().expect("a directory");
        let host = Host::at(root.path(), Reach::Running).expect("a host");
        let stat = host.stat(Path::new("/")).expect("seen").expect("there");
        host.make_dir(Path::new("/etc"), 0o755, stat.uid, stat.gid)
            .expect("made");
        for (path, text) in files {
            host.write_file(Path::new(path), text.as_bytes(), 0o644, stat.uid, stat.gid)
                .expect("written");
        }
        (root, host)
    }

    #[test]
    fn names_and_ids_are_found_both_ways() {
        let (_root, host) = host(&[("/etc/passwd", PASSWD), ("/etc/group", GROUP)]);
        let accounts = Accounts::read(&host).expect("read");
        assert_eq!(accounts.uid("redis"), Some(105));
        assert_eq!(accounts.gid("redis"), Some(107));
        assert_eq!(accounts.user_name(105), Some("redis"));
        assert_eq!(accounts.group_name(4), Some("adm"));
        assert_eq!(
            (accounts.uid("nobody"), accounts.user_name(7)),
            (None, None),
            "another root's names are not this machine's"
        );
        let redis = accounts.user("redis").expect("read").expect("there");
        assert_eq!(redis.home, Path::new("/var/lib/redis"));
        assert_eq!(redis.shell, Path::new(NOLOGIN));
        assert!(redis.is_system());
        assert_eq!(accounts.groups_of(&redis), ["adm", "ssl-cert"]);
    }

    #[test]
    fn a_tree_without_account_files_has_no_accounts() {
        let (_root, host) = host(&[]);
        let accounts = Accounts::read(&host).expect("read");
        assert_eq!((accounts.uid("root"), accounts.gid("root")), (None, None));
    }

    #[test]
    fn passwords_are_judged_by_the_shadow_file_or_the_field_itself() {
        let shadow = "root:$y$j9T$x:19000::::::\nredis:!:19000::::::\n";
        let (_root, host) = host(&[("/etc/passwd", PASSWD), ("/etc/shadow", shadow)]);
        let accounts = Accounts::read(&host).expect("read");
        let table = [
            ("root", Some(Password::Set)),
            ("redis", Some(Password::Locked)),
            ("open", Some(Password::Empty)),
            ("old", Some(Password::Set)),
            ("nobody", None),
        ];
        for (name, expected) in table {
            assert_eq!(accounts.password(&host, name), Ok(expected), "{name}");
        }
    }

    #[test]
    fn the_live_accounts_are_what_the_name_service_says() {
        let host = Host::live().expect("the root opens");
        let accounts = Accounts::read(&host).expect("read");
        for user in &accounts.users {
            let theirs = user_of_name_service(&user.name)
                .expect("it answers")
                .expect("there");
            assert_eq!(
                (theirs.uid, &theirs.home, &theirs.shell),
                (user.uid, &user.home, &user.shell)
            );
        }
    }

    #[test]
    fn the_first_free_ids_are_taken() {
        let accounts = |passwd: &str, group: &str| Accounts {
            users: parse_users(passwd),
            groups: parse_groups(group),
            live: false,
        };
        assert_eq!(accounts("", "").free_system_ids(), Some((100, 100)));
        assert_eq!(
            accounts("a:x:100:1::/:/\n", "b:x:101:\n").free_system_ids(),
            Some((101, 100))
        );
    }
}
