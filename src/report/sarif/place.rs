//! Where a finding is: the setting by name, and a file, since code scanning shows nothing without one.

use super::super::Report;
use super::model::{Artifact, Location, Logical, Physical, Region};
use crate::audit::Finding;
use crate::setting::Setting;
use std::path::Path;

/// Where a policy that is embedded would be overruled.
const POLICY: &str = "/etc/redis-harden/policy.toml";

/// The setting's own file; of what is no file the policy's, which says what it must be.
pub fn of(report: Report, finding: &Finding) -> Location {
    let policy = report.policies.files.last().map(|p| p.as_path());
    let own = file(&finding.setting);
    let path = own.or(policy).unwrap_or(Path::new(POLICY));
    Location {
        physical_location: Physical {
            artifact_location: Artifact { uri: uri(path) },
            region: Region { start_line: 1 },
        },
        logical_locations: vec![Logical {
            fully_qualified_name: finding.setting.to_string(),
            kind: "resource",
        }],
    }
}

fn file(setting: &Setting) -> Option<&Path> {
    match setting {
        Setting::ConfigFile { path, .. } => Some(path),
        other => other.path(),
    }
}

/// RFC 8089 and RFC 3986: all but the unreserved characters and `/` by their bytes.
fn uri(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let encode = |byte: &u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
            char::from(*byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    let encoded: String = path.as_os_str().as_bytes().iter().map(encode).collect();
    format!("file://{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_file_uri() {
        let path = Path::new("/etc/a b/50%#ü.conf");
        assert_eq!(uri(path), "file:///etc/a%20b/50%25%23%C3%BC.conf");
    }
}
