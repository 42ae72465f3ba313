//! Our nftables table `inet redis_harden`: who may reach Redis's TCP ports, and whom Redis's user may connect to.
//! It only ever restricts, those ports and that user and no other;
//! a kernel table that is not wholly ours, to the last rule, never equals one that is.

mod counts;
mod listing;
mod networks;
mod published;
mod reading;
mod render;
mod saved;
mod shown;

pub use counts::{Count, Counts, counts};
pub use published::{Published, published, read_published};
pub(super) use reading::reading_in;
pub use reading::{filtered_users, must_guard, obstacle, put_in_place, reading};
pub use render::TABLE;

use crate::host::{Begun, Host, HostError, HostResult, Output, Run};
use crate::policy::{Cidr, Rate};
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::time::Duration;

/// The file that the unit loads at boot: `Table::render` of what the policy wants.
pub const FILE: &str = "/etc/redis-harden/firewall.nft";

/// The unit that loads `FILE`, as installed in `/etc/systemd/system` or `/lib/systemd/system`.
pub const UNIT_NAME: &str = "redis-harden-firewall.service";

/// The text of that unit.
pub const UNIT: &str = include_str!("../../packaging/systemd/redis-harden-firewall.service");

/// A drop-in's path below a unit directory: Debian's `nftables.service` flushes every table, ours too, and puts ours back by this.
pub const NFTABLES_DROP_IN_NAME: &str = "nftables.service.d/50-redis-harden.conf";

/// The text of that drop-in.
pub const NFTABLES_DROP_IN: &str =
    include_str!("../../packaging/systemd/nftables.service.d/50-redis-harden.conf");

const READING: &str = "reading the firewall table inet redis_harden";

/// Our table in typed form. Networks are canonical: sorted, disjoint, as few prefixes as cover them,
/// so that one set of addresses has one form, however it was written or listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The TCP ports that it guards, and who may reach each.
    pub ports: BTreeMap<u16, Networks>,
    /// How often each source may connect.
    pub rate: Option<Rate>,
    /// Whether it guards these ports also where address translation gives them to a container.
    pub forwards: bool,
    /// The users of servers, and whom each may connect to.
    pub outgoing: BTreeMap<String, Outgoing>,
    /// What the kernel's table has and ours has not, or lacks: empty in a table that we made.
    pub foreign: Vec<String>,
}

/// Where a user may connect to; loopback always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// Its number; nothing where there is no such user yet: then the table has no rule for it.
    pub uid: Option<u32>,
    /// By every protocol, at every port.
    pub peers: Networks,
    /// For names only: port 53.
    pub resolvers: Networks,
}

/// The networks that may reach a port, or be reached; loopback always may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    pub v4: Vec<Cidr>,
    pub v6: Vec<Cidr>,
}

impl Networks {
    /// An IPv4-mapped network (`::ffff:10.0.0.0/104`) means the IPv4 one: that is how its clients arrive.
    pub fn of(allow: &[Cidr]) -> Networks {
        let (v4, v6): (Vec<Cidr>, Vec<Cidr>) = allow
            .iter()
            .map(|cidr| networks::unmapped(*cidr))
            .partition(Cidr::is_v4);
        Networks {
            v4: networks::cover_v4(v4.iter().map(Cidr::range).collect()),
            v6: networks::cover_v6(v6.iter().map(Cidr::range).collect()),
        }
    }
}

impl Table {
    /// The table that guards these ports (0, Redis's "no port", is none): loopback reaches them, and each port's own networks.
    /// Of a port that stands there twice the first counts.
    pub fn of<'a>(ports: impl IntoIterator<Item = (u16, &'a [Cidr])>) -> Table {
        let mut table = Table::default();
        for (port, allow) in ports.into_iter().filter(|(port, _)| *port != 0) {
            let guarded = table.ports.entry(port);
            guarded.or_insert_with(|| Networks::of(allow));
        }
        table
    }

    /// Whether it holds no rule.
    fn is_empty(&self) -> bool {
        self.ports.is_empty() && self.users().next().is_none()
    }

    /// The users that exist, each with its number.
    fn users(&self) -> impl Iterator<Item = (&str, u32, &Outgoing)> {
        let users = self.outgoing.iter();
        users.filter_map(|(user, to)| Some((user.as_str(), to.uid?, to)))
    }

    /// Whether the two have the same rules, so that they differ in networks at most.
    fn has_rules_of(&self, other: &Table) -> bool {
        let ports = self.ports.keys().eq(other.ports.keys());
        let users = |table: &Table| -> Vec<(String, u32)> {
            let users = table.users();
            users.map(|(user, uid, _)| (user.to_owned(), uid)).collect()
        };
        let same = (self.rate, self.forwards) == (other.rate, other.forwards);
        ports && same && users(self) == users(other) && self.foreign == other.foreign
    }

    /// The file that makes it: loading it replaces the table in one transaction, whatever was there.
    pub fn render(&self) -> String {
        render::file(self)
    }

    /// The table in a listing of `nft -j list table inet redis_harden`; what is not ours goes to `foreign`.
    pub fn parse(listing: &str) -> Result<Table, String> {
        listing::parse(listing)
    }
}

/// The kernel's table; `None` when there is none of our name.
pub fn read(host: &Host) -> HostResult<Option<Table>> {
    if is_absent(host) {
        return Ok(None);
    }
    listed(host, nft(host, list_table(&["-j"]))?)
}

/// Whether the kernel says that there is none: the quickest way to know.
pub(super) fn is_absent(host: &Host) -> bool {
    host.has_inet_table(render::TABLE) == Some(false)
}

/// Asks for the table, for `listed`. A table of ten thousand networks takes it a second: one that needs longer hangs.
pub(super) fn ask(host: &Host) -> HostResult<Begun> {
    const LIMIT: Duration = Duration::from_secs(4);
    host.begin(&list_table(&["-j"]).limit(LIMIT))
}

/// The table in what nft printed.
fn listed(host: &Host, output: Output) -> HostResult<Option<Table>> {
    let run = list_table(&["-j"]);
    let why = if let Some(signal) = output.signal {
        format!("nft was ended by signal {signal}")
    } else {
        let Some(listing) = found(output, &run)? else {
            return Ok(None);
        };
        match Table::parse(&listing) {
            Ok(table) => return Ok(Some(table)),
            Err(why) => why,
        }
    };
    match list(host, &["-t"])? {
        None => Ok(None),
        Some(text) => unlistable(&text, why).map(Some),
    }
}

/// Makes the kernel's table this one, after a dry run that must succeed. Where only networks change, the sets of the table that is
/// there are filled anew: a packet that is being judged while a whole table is replaced finds its old sets empty and is dropped
/// (measured: one of some thousand new connections waits a second, in one of sixty reloads).
pub fn load(host: &Host, table: &Table) -> HostResult<()> {
    let file = match read(host) {
        Ok(Some(there)) if !table.is_empty() && there.has_rules_of(table) => render::refill(table),
        _ => table.render(),
    };
    nft_ok(host, Run::new("nft").args(&["-c", "-f", "-"]), &file)?;
    nft_ok(host, Run::new("nft").args(&["-f", "-"]), &file)
}

/// Whether nft would load the table; without one there is nothing to ask yet.
pub fn try_out(host: &Host, table: &Table) -> HostResult<()> {
    if host.find_program("nft").is_none() {
        return Ok(());
    }
    nft_ok(
        host,
        Run::new("nft").args(&["-c", "-f", "-"]),
        &table.render(),
    )
}

/// The kernel's table as text, for `restore`, whoever made it; `None` when there is none, or no nft to ask.
/// Without its counts: they change by themselves.
pub fn save_text(host: &Host) -> HostResult<Option<String>> {
    if host.find_program("nft").is_none() {
        return Ok(None);
    }
    Ok(list(host, &["-s"])?.map(|text| saved::without_sources(&text)))
}

/// Puts back what `save_text` gave, in one transaction.
pub fn restore(host: &Host, saved: Option<&str>) -> HostResult<()> {
    let file = format!("{}{}", render::CLEAR, saved.unwrap_or_default());
    nft_ok(host, Run::new("nft").args(&["-f", "-"]), &file)
}

/// Removes the table, if it is there.
pub fn delete(host: &Host) -> HostResult<()> {
    restore(host, None)
}

fn list(host: &Host, options: &[&str]) -> HostResult<Option<String>> {
    let run = list_table(options);
    found(nft(host, run.clone())?, &run)
}

fn list_table(options: &[&str]) -> Run {
    Run::new("nft")
        .args(options)
        .args(&["list", "table", "inet", render::TABLE])
}

/// A table that has flags, which nft 1.0.6 lists as JSON that is broken off, or worse; another one that cannot be parsed is not judged.
fn unlistable(text: &str, why: String) -> HostResult<Table> {
    let mut head = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.ends_with('{') || line.starts_with("table "));
    if head.any(|line| line.starts_with("flags ")) {
        return Ok(Table {
            foreign: vec![listing::FLAGGED.into()],
            ..Table::default()
        });
    }
    Err(HostError::refused(READING, why))
}

/// What nft printed; `None` when it says that there is no such thing.
fn found(output: Output, run: &Run) -> HostResult<Option<String>> {
    if output.ok() {
        return Ok(Some(output.stdout));
    }
    if output.code == Some(1)
        && output
            .stderr
            .starts_with("Error: No such file or directory")
    {
        return Ok(None);
    }
    Err(failure(&output, run))
}

fn nft_ok(host: &Host, run: Run, file: &str) -> HostResult<()> {
    let run = run.input(file);
    let output = nft(host, run.clone())?;
    if output.ok() {
        Ok(())
    } else {
        Err(failure(&output, &run))
    }
}

fn nft(host: &Host, run: Run) -> HostResult<Output> {
    if host.is_running() && host.find_program("nft").is_none() {
        return Err(HostError::refused(
            format!("running `{}`", run.line()),
            "nft is not installed (Debian's package nftables)",
        ));
    }
    host.run(&run)
}

/// nft gives the kernel's answer in words only.
fn failure(output: &Output, run: &Run) -> HostError {
    let doing = format!("running `{}`", run.line());
    let said = |words: &str| output.stderr.contains(words);
    if said("Operation not permitted") {
        HostError::errno(doing, Errno::EPERM)
    } else if said("Protocol not supported") || said("Operation not supported") {
        HostError {
            doing,
            errno: Some(Errno::EOPNOTSUPP),
            cause: "the kernel has no nf_tables".into(),
        }
    } else {
        let code = output
            .code
            .map_or("a signal".into(), |c| format!("exit code {c}"));
        HostError::refused(doing, format!("{code}: {}", output.tail()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(ports: &[u16], allow: &[&str]) -> Table {
        let allow = cidrs(allow);
        Table::of(ports.iter().map(|port| (*port, allow.as_slice())))
    }

    fn cidrs(texts: &[&str]) -> Vec<Cidr> {
        texts
            .iter()
            .map(|t| t.parse().expect("a network"))
            .collect()
    }

    #[test]
    fn a_table_is_shown_on_one_short_line() {
        let one = table(&[6379], &["10.0.0.0/8"]);
        assert_eq!(one.to_string(), "ports 6379 from loopback, 10.0.0.0/8");
        let hosts: Vec<String> = (0..9).map(|n| format!("10.0.0.{}", n * 2)).collect();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let shown = table(&[1, 2], &hosts).to_string();
        assert!(shown.starts_with("ports 1, 2 from loopback, 10.0.0.0/32, "));
        assert!(shown.ends_with(" and 3 more networks"), "{shown}");
        assert_eq!(table(&[0], &["10.0.0.0/8"]).to_string(), "no ports");
        let mut two = one;
        two.ports.insert(6380, Networks::default());
        assert_eq!(
            two.to_string(),
            "ports 6379 from loopback, 10.0.0.0/8; ports 6380 from loopback"
        );
    }

    #[test]
    fn the_same_addresses_are_the_same_table() {
        let one = table(&[6379], &["10.0.1.0/24", "10.0.0.0/24", "::ffff:10.0.0.9"]);
        assert_eq!(one, table(&[6379, 0], &["10.0.0.0/23"]));
    }

    #[test]
    fn a_table_of_no_ports_renders_to_no_rule() {
        let file = table(&[0], &[]).render();
        assert!(
            file.ends_with("delete table inet redis_harden\ntable inet redis_harden {\n}\n"),
            "{file}"
        );
    }

    #[test]
    fn an_unparsable_listing_is_judged_only_when_the_table_has_flags() {
        let flagged = unlistable(
            "table inet redis_harden {\n\tflags dormant\n\n\tset a {\n",
            String::new(),
        );
        assert_eq!(flagged.map(|table| table.foreign.len()), Ok(1));
        assert!(
            unlistable(
                "table inet redis_harden {\n\tset a {\n\t\tflags interval\n",
                "why".into()
            )
            .is_err()
        );
    }

    #[test]
    fn the_unit_loads_the_file_that_apply_writes() {
        for text in [UNIT, NFTABLES_DROP_IN] {
            assert!(text.contains(&format!("/usr/sbin/nft -f {FILE}\n")));
        }
    }
}
