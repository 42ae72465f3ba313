//! The text of a table that is kept for a rollback.

/// Without the sources that connected of late: they come and go by themselves, and there may be ten thousand.
pub(super) fn without_sources(text: &str) -> String {
    let (mut kept, mut dynamic, mut within) = (String::with_capacity(text.len()), false, false);
    for line in text.split_inclusive('\n') {
        let words = line.trim();
        if words.starts_with("set ") || words == "}" {
            dynamic = false;
        }
        dynamic |= words
            .strip_prefix("flags ")
            .is_some_and(|flags| flags.contains("dynamic"));
        within |= dynamic && words.starts_with("elements = {");
        if !within {
            kept.push_str(line);
        }
        within &= !words.ends_with('}');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_and_goes_by_itself_is_left_out() {
        let text = "table inet redis_harden {\n\tset ip_1 {\n\t\ttype ipv4_addr\n\t\tflags interval\n\t\telements = { 10.0.0.1,\n\t\t\t     10.0.0.3 }\n\t}\n\n\tset recent_ip {\n\t\ttype ipv4_addr\n\t\tsize 9\n\t\tflags dynamic,timeout\n\t\ttimeout 2m\n%\t}\n\n\tset other {\n\t\ttype ipv4_addr\n\t\telements = { 10.0.0.1 }\n\t}\n}\n";
        let wanted = text.replace('%', "");
        for sources in [
            "",
            "\t\telements = { 10.9.0.2 limit rate over 2/second burst 3 packets }\n",
            "\t\telements = { 10.9.0.2 limit rate over 2/second burst 3 packets,\n\t\t\t     10.9.0.3 limit rate over 2/second burst 3 packets }\n",
        ] {
            assert_eq!(
                without_sources(&text.replace('%', sources)),
                wanted,
                "{sources}"
            );
        }
    }
}
