//! Whether what was written is what is there.

use crate::host::{HostError, HostResult};
use crate::plan::Change;
use crate::setting::{Reading, Setting, Sight};
use crate::value::Value;

/// What was written must read back; a setting that somebody or something else holds is not ours to claim.
/// Services, what they are told live, and packages prove themselves: by an answered PING, by asking again, by dpkg's own database.
pub(super) fn verify(sight: Sight, change: &Change) -> HostResult<()> {
    if matches!(
        change.setting,
        Setting::Service(_)
            | Setting::Package(_)
            | Setting::User(_)
            | Setting::Live(_)
            | Setting::LiveUsers(_)
            | Setting::LivePrimaryPassword(_)
    ) {
        return Ok(());
    }
    match change.setting.read(sight) {
        Reading::Value(now, _) if now == change.target => Ok(()),
        Reading::Value(now, source) => Err(HostError::refused(
            format!("writing {}", change.setting),
            format!(
                "it reads back as {now}{}",
                source.map_or(String::new(), |s| format!(" (from {s})"))
            ),
        )),
        Reading::Absent if change.target == Value::Nothing => Ok(()),
        Reading::Absent => Err(HostError::refused(
            format!("writing {}", change.setting),
            "it is not there afterwards",
        )),
        Reading::NotApplicable(why) | Reading::Unknown(why) => Err(HostError::refused(
            format!("reading {} back", change.setting),
            why,
        )),
    }
}
