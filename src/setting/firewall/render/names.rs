//! What the chains and sets of the table are called.

/// The set of the networks of a family that may reach a port.
pub(in crate::setting::firewall) fn set_of(family: &str, port: u16) -> String {
    format!("{family}_{port}")
}

/// The set of the networks of a family that a user may connect to.
pub(in crate::setting::firewall) fn peers_of(family: &str, user: &str) -> String {
    format!("peers_{family}_{user}")
}

/// The set of those that it may ask for names.
pub(in crate::setting::firewall) fn resolvers_of(family: &str, user: &str) -> String {
    format!("resolvers_{family}_{user}")
}

/// The set of the sources that have connected of late.
pub(in crate::setting::firewall) fn recent(family: &str) -> String {
    format!("recent_{family}")
}

/// The chain that lets a port's networks in. One set of pairs (network and port) would do with fewer rules, but the kernel
/// fills such a set only after it has switched to the new table: measured, a reload then drops packets of allowed clients.
pub(super) fn chain_of(port: u16) -> String {
    format!("port_{port}")
}

pub(super) fn chain_of_published(port: u16) -> String {
    format!("published_{port}")
}

/// The chain of what a user sends.
pub(in crate::setting::firewall) fn chain_of_user(user: &str) -> String {
    format!("from_{user}")
}
