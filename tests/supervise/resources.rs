//! What the server may use: processors, disks, memory, files.

use super::instance::{Instance, status};
use super::runner::Test;
use redis_harden::supervise::EX_CONFIG;
use std::fs;
use std::process::Command;

pub const ALL: [Test; 3] = [
    (
        "it_has_its_share_of_processors_and_disks_and_no_huge_pages",
        it_has_its_share_of_processors_and_disks_and_no_huge_pages,
    ),
    (
        "processors_that_are_not_there_are_refused",
        processors_that_are_not_there_are_refused,
    ),
    (
        "more_clients_than_files_are_refused",
        more_clients_than_files_are_refused,
    ),
];

fn it_has_its_share_of_processors_and_disks_and_no_huge_pages() {
    let share = "{ nice = 5, io-priority = 6, cpus = \"0\" }";
    let mut instance = Instance::new(&[("scheduling", share)], "disable-thp no");
    let server = instance.start().server_pid.unwrap();
    let stat = fs::read_to_string(format!("/proc/{server}/stat")).unwrap();
    let after_the_name = stat.rsplit_once(") ").unwrap().1;
    assert_eq!(after_the_name.split(' ').nth(16), Some("5"), "{stat}");
    assert_eq!(status(server, "Cpus_allowed_list"), "0");
    assert_eq!(status(server, "THP_enabled"), "0");
    let disk = Command::new("ionice")
        .args(["-p", &server.to_string()])
        .output()
        .unwrap();
    let disk = String::from_utf8_lossy(&disk.stdout).into_owned();
    assert_eq!(disk.trim(), "best-effort: prio 6");
}

fn processors_that_are_not_there_are_refused() {
    refused(
        ("scheduling", "{ cpus = \"1023\" }"),
        "service.cpus = \"1023\": this host lets us run on none of them",
    );
}

fn more_clients_than_files_are_refused() {
    refused(
        ("maxclients", "1000000000"),
        "redis.maxclients is 1000000000: raise the hard limit",
    );
}

#[track_caller]
fn refused(setting: (&str, &str), why: &str) {
    let mut instance = Instance::new(&[setting], "");
    instance.supervisor = Some(instance.spawn("output"));
    assert_eq!(instance.ended(), EX_CONFIG);
    let output = instance.output();
    assert!(output.contains(why), "{output}");
}
