//! Each kind of setting that can be written is written, saved and put back here.

use super::{
    Obstacle, Saved, Setting, Sight, account, file, firewall, kernel, legacy, live, package,
    primary, secret, service, sysctl_d, tls, unit,
};
use crate::host::{HostError, HostResult, Image};
use crate::rotation;
use crate::value::Value;
use std::path::{Path, PathBuf};

impl Setting {
    /// Makes it hold `target`. The caller has journalled what was there.
    pub fn write(&self, sight: Sight, target: &Value, say: &mut dyn FnMut(&str)) -> HostResult<()> {
        let host = sight.host;
        match (self, target) {
            (Setting::File(path), Value::File(value)) => file::write(host, path, value),
            (Setting::Dir(path), Value::Dir(access)) => file::write_dir(host, path, access),
            (Setting::Mode(path), Value::Mode(mode)) => file::write_mode(host, path, *mode),
            (Setting::Access(path), Value::Owned(access)) => file::write_access(host, path, access),
            (Setting::Secret(path), Value::Owned(access)) => match legacy::of(sight, path) {
                Some(policy) => legacy::write(sight, policy, path, access),
                None => secret::write(host, path, access),
            },
            (Setting::Sysctl(key), value) => kernel::write(host, key, &value.to_string()),
            (Setting::SysctlAtBoot(key), value) => sysctl_d::write(host, key, &value.to_string()),
            (Setting::Binary { path, source }, Value::Flag(true)) => {
                file::write_copy(host, path, source)
            }
            (Setting::HugePages, Value::Text(mode)) => kernel::write_huge_pages(host, mode),
            (Setting::User(name), Value::User(user)) => {
                account::create_service_user(host, name, &user.home)
            }
            (Setting::Package(name), Value::Present) => package::install_guarded(sight, name, say),
            (Setting::UnitEnabled(unit), Value::Flag(true)) => unit::enable(host, unit),
            (Setting::UnitEnabled(unit), Value::Flag(false)) => {
                host.remove(&unit::wants_link(unit))
            }
            (Setting::PrimaryPassword { instance, .. }, Value::Owned(access)) => {
                primary::write(sight, instance, access)
            }
            (Setting::PrimaryPassword { path, .. }, Value::Nothing) => host.remove(path),
            (Setting::LivePrimaryPassword(instance), Value::Nothing) => {
                primary::write_live(sight, instance)
            }
            (Setting::TimerActive(timer), Value::Flag(wanted)) => {
                unit::timer::write(sight, timer, *wanted)
            }
            (Setting::Firewall, Value::Firewall(table)) => firewall::load(host, table),
            (Setting::Firewall, Value::Nothing) => firewall::delete(host),
            (Setting::File(path), Value::Nothing) => host.remove(path),
            (Setting::Live(name), Value::Nothing) => live::write_directives(sight, name),
            (Setting::LiveUsers(name), Value::Nothing) => live::write_users(sight, name),
            (
                Setting::Tls {
                    instance,
                    what: tls::TlsFact::ServesItsFile,
                },
                Value::Flag(true),
            ) => tls::reload(sight, instance),
            (Setting::Service(name), Value::Serving(generation)) => {
                service::serve(sight, name, generation, say)
            }
            (setting, target) => Err(HostError::refused(
                format!("setting {setting} to {target}"),
                "there is no way to write it",
            )),
        }
    }

    /// What is there now, whole, so that it can be put back.
    pub fn save(&self, sight: Sight) -> HostResult<Saved> {
        let host = sight.host;
        match self {
            Setting::Access(path) => file::save_access(host, path).map(Saved::Text),
            Setting::File(path) | Setting::Dir(path) | Setting::Mode(path) => {
                host.image(path).map(Saved::Inode)
            }
            Setting::Secret(path) | Setting::PrimaryPassword { path, .. } => {
                secret::save(host, path).map(Saved::Inode)
            }
            Setting::Binary { path, .. } => host.image(path).map(Saved::Inode),
            Setting::SysctlAtBoot(_) => host.image(Path::new(sysctl_d::OURS)).map(Saved::Inode),
            Setting::UnitEnabled(unit) => host.image(&unit::wants_link(unit)).map(Saved::Inode),
            Setting::LivePrimaryPassword(name) => Ok(Saved::Text(primary::save_live(sight, name))),
            Setting::TimerActive(timer) => {
                unit::timer::save(host, timer).map(|s| Saved::Text(Some(s)))
            }
            Setting::Sysctl(key) => kernel::read_text(host, key).map(Saved::Text),
            Setting::HugePages => kernel::huge_pages_mode(host).map(Saved::Text),
            Setting::Package(name) => package::save(host, name).map(Saved::Text),
            Setting::Firewall => firewall::save_text(host).map(Saved::Text),
            Setting::Live(name) => live::save_directives(sight, name).map(Saved::Text),
            Setting::LiveUsers(name) => live::save_users(sight, name).map(Saved::Text),
            Setting::Service(name) => service::save(sight, name).map(|s| Saved::Text(Some(s))),
            _ => Ok(Saved::Kept),
        }
    }

    /// Puts back what `save` gave.
    pub fn restore(
        &self,
        sight: Sight,
        saved: &Saved,
        say: &mut dyn FnMut(&str),
    ) -> HostResult<()> {
        let host = sight.host;
        match (self, saved) {
            (Setting::Secret(path), Saved::Inode(Image::Absent)) => secret::move_aside(host, path),
            (Setting::Secret(path), Saved::Inode(image)) => secret::restore(host, path, image),
            (Setting::PrimaryPassword { instance, path }, Saved::Inode(image)) => {
                primary::restore(sight, instance, path, image)
            }
            (Setting::LivePrimaryPassword(name), Saved::Text(Some(saved))) => {
                primary::restore_live(sight, name, saved)
            }
            (Setting::File(path), Saved::Inode(image)) if self.is_acl_file() => {
                let image = rotation::with_passwords_of_now(sight, path, image);
                file::restore(host, path, &image)
            }
            (
                Setting::File(path) | Setting::Dir(path) | Setting::Mode(path),
                Saved::Inode(image),
            ) => file::restore(host, path, image),
            (Setting::Binary { path, .. }, Saved::Inode(image)) => host.put(path, image),
            (Setting::SysctlAtBoot(_), Saved::Inode(image)) => {
                host.put(Path::new(sysctl_d::OURS), image)
            }
            (Setting::UnitEnabled(unit), Saved::Inode(image)) => {
                host.put(&unit::wants_link(unit), image)
            }
            (Setting::Access(path), Saved::Text(Some(text))) => {
                file::restore_access(host, path, text)
            }
            (Setting::TimerActive(timer), Saved::Text(Some(text))) => {
                unit::timer::restore(sight, timer, text)
            }
            (Setting::Sysctl(key), Saved::Text(Some(text))) => kernel::write(host, key, text),
            (Setting::HugePages, Saved::Text(Some(mode))) => kernel::write_huge_pages(host, mode),
            (Setting::Package(name), Saved::Text(None)) => package::put_to_rest(sight, name),
            (Setting::Firewall, Saved::Text(text)) => firewall::restore(host, text.as_deref()),
            (Setting::Live(name), Saved::Text(Some(saved))) => {
                live::restore_directives(sight, name, saved)
            }
            (Setting::LiveUsers(name), Saved::Text(Some(saved))) => {
                let saved = rotation::users_with_passwords_of_now(sight, name, saved);
                live::restore_users(sight, name, &saved)
            }
            (Setting::Service(name), Saved::Text(Some(state))) => {
                service::restore(sight, name, state, say)
            }
            _ => Ok(()),
        }
    }

    /// What stands in the way of writing it here, on evidence; `None` when nothing is known to.
    pub fn obstacle(&self, sight: Sight) -> Option<Obstacle> {
        match self {
            Setting::Sysctl(key) => kernel::obstacle(sight, &kernel::path(key)),
            Setting::HugePages => kernel::obstacle(sight, Path::new(kernel::HUGE_PAGES)),
            Setting::SysctlAtBoot(key) => sysctl_d::obstacle(sight, key),
            Setting::Firewall => firewall::obstacle(sight),
            Setting::User(name) => account::obstacle(sight, name),
            Setting::Package(name) => package::obstacle(sight, name),
            Setting::UnitEnabled(unit) => unit::obstacle(sight, unit),
            Setting::Dir(path) => file::obstacle_dir(sight, path),
            Setting::Service(name) => service::obstacle(sight, name),
            _ => None,
        }
        .or_else(|| (!sight.facts.is_root()).then_some(Obstacle::Root))
    }

    /// The file, directory or link that a write of it makes or changes; `None` for what is no file, and for files of the kernel.
    pub fn written(&self) -> Option<PathBuf> {
        match self {
            Setting::Binary { path, .. } => Some(path.clone()),
            Setting::SysctlAtBoot(_) => Some(sysctl_d::OURS.into()),
            Setting::UnitEnabled(unit) => Some(unit::wants_link(unit)),
            other => other.path().map(Path::to_path_buf),
        }
    }

    /// The setting's name without its kind, where it is a path.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Setting::File(path)
            | Setting::Dir(path)
            | Setting::Mode(path)
            | Setting::Access(path)
            | Setting::Secret(path)
            | Setting::PrimaryPassword { path, .. } => Some(path),
            _ => None,
        }
    }

    /// Whether it is one of our ACL files, with the digests of passwords in it.
    pub fn is_acl_file(&self) -> bool {
        let ours = |path: &Path| {
            path.starts_with("/etc/redis-harden/redis")
                && path.extension().is_some_and(|e| e == "acl")
        };
        matches!(self, Setting::File(path) if ours(path))
    }

    /// Whether its content must never be shown.
    pub fn is_secret(&self) -> bool {
        matches!(self, Setting::Secret(_) | Setting::PrimaryPassword { .. })
    }
}
