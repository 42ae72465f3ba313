//! Where a build comes from, and so which column of the table speaks of it: a distribution mends holes in its revisions and keeps
//! the upstream number, so that number says nothing of a distribution's package.

use super::{Flavour, Table};
use crate::facts::Distro;
use crate::setting::package::Installed;
use std::fmt;

/// A build of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    pub flavour: Flavour,
    pub origin: Origin,
}

/// Who built it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Debian: judged by the source package's version within the suite.
    Debian { version: String, codename: String },
    /// The repository of Redis's vendor, which builds upstream releases as they are.
    Vendor { version: String },
    /// No package: upstream's source, or an image made of it.
    Source { version: String },
    /// A distribution that the table does not follow.
    Other { version: String, whose: String },
}

impl Build {
    /// The build in a package. Sources: CATALOGUE §1.16 (epochs and suffixes), deb-version(7).
    pub fn of_package(flavour: Flavour, installed: &Installed, distro: &Distro) -> Build {
        let version = installed.source_version.clone();
        let epoch = version.split_once(':').map_or("0", |(epoch, _)| epoch);
        let debians = match flavour {
            Flavour::Redis => epoch == "5",
            Flavour::Valkey => epoch == "0" && version.contains("+dfsg"),
        };
        let vendors = flavour == Flavour::Redis && epoch == "6" && version.contains("rl");
        let other = |whose: &str| Origin::Other {
            version: version.clone(),
            whose: whose.to_owned(),
        };
        let origin = if vendors {
            let version = upstream_part(&version).to_owned();
            Origin::Vendor { version }
        } else if version.contains("ubuntu") || distro.id == "ubuntu" {
            other(format!("Ubuntu {}", distro.codename).trim_end())
        } else if debians && distro.id == "debian" {
            let codename = distro.codename.clone();
            Origin::Debian { version, codename }
        } else if distro.id == "debian" || distro.id.is_empty() {
            other("nobody that its version would name")
        } else {
            other(&distro.id)
        };
        Build { flavour, origin }
    }

    /// A build of upstream's source, by what it says of itself.
    pub fn of_source(flavour: Flavour, version: &str) -> Build {
        let version = version.to_owned();
        let origin = Origin::Source { version };
        Build { flavour, origin }
    }

    /// Who made it, in a word.
    pub fn maker(&self) -> &'static str {
        match self.origin {
            Origin::Debian { .. } => "debian",
            Origin::Vendor { .. } => "vendor",
            Origin::Source { .. } => "source",
            Origin::Other { .. } => "other",
        }
    }

    /// The version that is compared: the package's, or upstream's.
    pub fn version(&self) -> &str {
        match &self.origin {
            Origin::Debian { version, .. }
            | Origin::Vendor { version }
            | Origin::Source { version }
            | Origin::Other { version, .. } => version,
        }
    }

    /// The upstream branch: `7.4`.
    pub(super) fn branch(&self) -> String {
        let mut numbers = upstream_part(self.version()).split('.');
        let (major, minor) = (numbers.next(), numbers.next());
        format!(
            "{}.{}",
            major.unwrap_or_default(),
            minor.unwrap_or_default()
        )
    }

    /// The Debian suite: by the mark in the revision, else the host's.
    pub(super) fn suite(&self, table: &Table) -> Option<String> {
        let Origin::Debian { version, codename } = &self.origin else {
            return None;
        };
        if version.contains("~bpo") {
            return Some(format!("{codename}-backports"));
        }
        let marked = table.suites.iter().find(|suite| {
            suite.release.is_some_and(|n| {
                version.contains(&format!("~deb{n}u")) || version.contains(&format!("+deb{n}u"))
            })
        });
        Some(
            marked
                .map_or(codename.as_str(), |suite| suite.name)
                .to_owned(),
        )
    }
}

/// `7.0.15` of `5:7.0.15-1~deb12u10`, and `8.1.1` of `8.1.1+dfsg1-3`.
pub fn upstream_part(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let end = version.find(|c: char| !(c.is_ascii_digit() || c == '.'));
    version.split_at(end.unwrap_or(version.len())).0
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flavour = self.flavour;
        match &self.origin {
            Origin::Debian { version, codename } => {
                write!(f, "Debian's {flavour} {version} ({codename})")
            }
            Origin::Vendor { version } => write!(f, "the vendor's {flavour} {version}"),
            Origin::Source { version } => write!(f, "{flavour} {version} without a package"),
            Origin::Other { version, whose } => write!(f, "{flavour} {version} of {whose}"),
        }
    }
}
