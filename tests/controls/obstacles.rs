//! What apply leaves to a person, on evidence.

use crate::fake::{Fake, is_root};
use redis_harden::audit::{Finding, Status, Where};
use redis_harden::controls::all;
use redis_harden::policy::Policies;

fn findings(fake: &Fake, id: &str) -> Vec<Finding> {
    let policies = Policies::builtin("production").unwrap();
    let control = all().into_iter().find(|c| c.id == id).unwrap();
    fake.judge(&policies, control).findings
}

#[test]
fn as_root_a_data_directory_with_somebody_elses_data_is_not_taken_from_them() {
    assert!(
        is_root(),
        "run this as root: nobody else can give files away"
    );
    let data = ("/var/lib/redis/notes", "mine");
    for (files, place) in [
        (vec![("/var/lib/redis/ 0755 root:root", "")], Where::Here),
        (
            vec![("/var/lib/redis/ 0755 redis:redis", ""), data],
            Where::Here,
        ),
        (
            vec![("/var/lib/redis/ 0755 root:root", ""), data],
            Where::Hand,
        ),
    ] {
        let found = findings(&Fake::with(&files), "files.data-directory");
        let [finding] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!((finding.status, finding.place), (Status::Fail, place));
        assert_eq!(finding.change.is_some(), place == Where::Here);
    }
}
