//! Password files: generated whole, never shown. What a report may say of one is its owner and its mode.

use crate::facts::Facts;
use crate::host::{Host, HostError, HostResult, Image, Kind};
use crate::policy::PasswordSource;
use crate::value::{Access, Value};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::Path;

/// Random bytes in a generated password.
const BYTES: usize = 32;

/// Where passwords of undone runs are kept, so that nothing that still uses them is locked out for good.
pub const ASIDE: &str = "/var/lib/redis-harden/set-aside";

/// The owner and mode of a password file that holds a password.
pub fn read(host: &Host, path: &Path, facts: &Facts) -> HostResult<Option<Value>> {
    let Some(stat) = host.stat(path)? else {
        return Ok(None);
    };
    if stat.kind != Kind::File {
        return Ok(Some(Value::text("not a regular file")));
    }
    let there = match password(host, path) {
        Ok(password) => password.is_some(),
        // Its owner and mode can be judged by whoever may not read it.
        Err(e) if e.is_denied() => stat.size > 0,
        Err(e) => return Err(e),
    };
    Ok(there.then(|| Value::Owned(super::file::access(&stat, facts))))
}

/// Generates the password where there is none, and sets the file's owner and mode.
pub fn write(host: &Host, path: &Path, access: &Access) -> HostResult<()> {
    let (uid, gid) = super::file::ids(path, access)?;
    match host.stat(path)? {
        Some(stat) if stat.kind == Kind::File && password(host, path)?.is_some() => {
            host.set_access(path, access.mode, uid, gid)
        }
        _ if !host.is_running() => Err(HostError::refused(
            format!("generating the password {}", path.display()),
            "copies of this tree would share it; the host itself generates it when it first boots",
        )),
        _ => host.write_file(
            path,
            format!("{}\n", generate()?).as_bytes(),
            access.mode,
            uid,
            gid,
        ),
    }
}

/// The password of a source.
pub fn password_of(host: &Host, source: &PasswordSource) -> HostResult<Option<String>> {
    match source {
        PasswordSource::File(path) => password(host, path),
        PasswordSource::Credential(name) => super::credential::password(host, name),
    }
}

/// The SHA-256 of the password in a file, as Redis's ACL rules want it after `#`; `None` while there is no password.
pub fn digest(host: &Host, path: &Path) -> HostResult<Option<String>> {
    Ok(password(host, path)?.map(|p| digest_of(&p)))
}

/// The SHA-256 of a password.
pub fn digest_of(password: &str) -> String {
    hex(&Sha256::digest(password.as_bytes()))
}

/// The password: the file's first line. A trailing CR or LF is no part of it.
pub fn password(host: &Host, path: &Path) -> HostResult<Option<String>> {
    let Some(bytes) = host.read_untrusted(path)? else {
        return Ok(None);
    };
    line(
        &format!("reading the password in {}", path.display()),
        bytes,
    )
}

/// The first line of what was read while `doing`.
pub(super) fn line(doing: &str, bytes: Vec<u8>) -> HostResult<Option<String>> {
    let text =
        String::from_utf8(bytes).map_err(|_| HostError::refused(doing, "it is not UTF-8 text"))?;
    let line = first_line(&text);
    Ok((!line.is_empty()).then(|| line.to_owned()))
}

/// What of a password's file is the password.
pub fn first_line(text: &str) -> &str {
    let first = text.lines().next().unwrap_or_default();
    first.trim_end_matches('\r')
}

/// What stands in a journal for a password.
const KEPT: &[u8] = b"(a password)\n";

/// Its owner and mode, and whether there is a password: which, goes into no journal.
pub fn save(host: &Host, path: &Path) -> HostResult<Image> {
    let mut image = host.image(path)?;
    if let Image::File { content, .. } = &mut image
        && !content.is_empty()
    {
        *content = KEPT.to_vec();
    }
    Ok(image)
}

/// Puts its owner and mode back. A password that has been replaced since stays replaced: an old one is never valid again.
pub fn restore(host: &Host, path: &Path, image: &Image) -> HostResult<()> {
    let is_file = |stat: crate::host::Stat| stat.kind == Kind::File;
    match image {
        Image::File {
            content,
            mode,
            uid,
            gid,
            ..
        } if !content.is_empty() => match host.stat(path)?.is_some_and(is_file) {
            true => host.set_access(path, *mode, *uid, *gid),
            // What somebody has removed since cannot be made again.
            false => Ok(()),
        },
        _ => {
            if host.stat(path)?.is_some_and(is_file) && password(host, path)?.is_some() {
                move_aside(host, path)?;
            }
            super::file::restore(host, path, image)
        }
    }
}

/// Moves a generated password out of the way instead of deleting it.
pub fn move_aside(host: &Host, path: &Path) -> HostResult<()> {
    if host.stat(path)?.is_none() {
        return Ok(());
    }
    let root = host
        .stat(Path::new("/"))?
        .map_or((0, 0), |s| (s.uid, s.gid));
    host.make_dir(Path::new(ASIDE), 0o700, root.0, root.1)?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut aside = Path::new(ASIDE).join(&name);
    let mut n = 1;
    while host.stat(&aside)?.is_some() {
        n += 1;
        aside = Path::new(ASIDE).join(format!("{name}.{n}"));
    }
    // Copied, then removed: /etc and /var may be two file systems.
    let content = host.read_untrusted(path)?.unwrap_or_default();
    host.write_file(&aside, &content, 0o600, root.0, root.1)?;
    host.remove(path)?;
    tracing::info!(password = %path.display(), kept = %aside.display(), "moved a generated password aside");
    Ok(())
}

/// 256 random bits in hexadecimal.
pub fn generate() -> HostResult<String> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|e| HostError::refused("generating a password", e.to_string()))?;
    Ok(hex(&bytes))
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_passwords_differ_and_have_256_bits() {
        let (a, b) = (generate().expect("random"), generate().expect("random"));
        assert_ne!(a, b);
        assert_eq!(a.len(), 64);
    }

    #[test]
    fn the_digest_is_sha256_as_sha256sum_prints_it() {
        let expected = "1b58ee375b42e41f0e48ef2ff27d10a5b1f6924a9acdcdba7cae868e7adce6bf";
        assert_eq!(hex(&Sha256::digest(b"foobared")), expected);
    }
}
