//! Users and groups by name and by id, and who stands in root's place.

use super::{Entrypoint, Facts};
use crate::value::Account;

impl Facts {
    /// A user by id; the number stands for a name that nobody has.
    pub fn user_of(&self, uid: u32) -> Account {
        let name = self
            .accounts
            .user_name(uid)
            .map_or_else(|| uid.to_string(), str::to_owned);
        Account {
            name,
            id: Some(uid),
        }
    }

    /// A group by id.
    pub fn group_of(&self, gid: u32) -> Account {
        let name = self
            .accounts
            .group_name(gid)
            .map_or_else(|| gid.to_string(), str::to_owned);
        Account {
            name,
            id: Some(gid),
        }
    }

    /// A user by name, whether it exists or not.
    pub fn user(&self, name: &str) -> Account {
        Account {
            name: name.to_owned(),
            id: self.accounts.uid(name),
        }
    }

    /// A group by name, whether it exists or not.
    pub fn group(&self, name: &str) -> Account {
        Account {
            name: name.to_owned(),
            id: self.accounts.gid(name),
        }
    }

    /// Root, or who stands in its place in a container that root did not start.
    pub fn root_account(&self) -> Account {
        match self.entrypoint {
            Some(Entrypoint::Own(uid, _)) => self.user_of(uid),
            _ => self.user("root"),
        }
    }

    /// The same of root's group.
    pub fn root_group(&self) -> Account {
        match self.entrypoint {
            Some(Entrypoint::Own(_, gid)) => self.group_of(gid),
            _ => self.group("root"),
        }
    }
}
