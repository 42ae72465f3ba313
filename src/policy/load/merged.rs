//! One instance: its files merged to a policy, and judged as a whole.

use crate::policy::source::Node;
use crate::policy::{Policy, PolicyError, inherited, whole};

/// One instance: its merged files.
pub struct Merged {
    pub policy: Policy,
    pub tree: Node,
    /// The file that gives it its name.
    pub file: String,
    /// What was understood, and should be written otherwise.
    pub warnings: Vec<PolicyError>,
}

impl Merged {
    pub(super) fn new(mut tree: Node, file: String) -> Result<Merged, PolicyError> {
        let password = inherited::take_password(&mut tree)?;
        let mut policy: Policy = tree
            .plain()
            .try_into()
            .map_err(|e: toml::de::Error| PolicyError::new(format!("{file}: {}", e.message())))?;
        policy.extends = None;
        whole::check(&policy, &tree)?;
        let at = password.as_ref().map(|(_, node)| node);
        let warnings = inherited::warnings(&policy, &tree, at);
        policy.legacy.password = password.map(|(password, _)| password).unwrap_or_default();
        Ok(Merged {
            policy,
            tree,
            file,
            warnings,
        })
    }
}
