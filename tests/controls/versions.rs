//! No control asks a server for a directive that its version does not have.

use crate::converge::production;
use crate::fake::Fake;
use redis_harden::control::{Want, Wants};
use redis_harden::controls::all;
use redis_harden::redis::effective::table::{Table, Version};
use redis_harden::setting::Setting;

#[test]
fn no_control_demands_a_directive_that_the_version_does_not_have() {
    let mut wrong = Vec::new();
    for (version, field, number) in [
        (Version::Redis70, "INFO redis_version", "7.0.15"),
        (Version::Redis80, "INFO redis_version", "8.0.2"),
        (Version::Valkey81, "INFO valkey_version", "8.1.1"),
    ] {
        let table = Table::of(version);
        let policies = production();
        let facts = Fake::with(&[(field, number)]).facts(&policies);
        let mut asked = 0;
        for control in all() {
            let wants: Vec<Want> = match control.wants {
                Wants::Host(ask) => ask(&policies, &facts),
                Wants::Instance(ask) | Wants::Told(ask) => ask(&policies.instances[0], &facts),
                Wants::Attempt(id) => panic!("{id} is in the plain list"),
            };
            for want in wants {
                if let Setting::Directive { name, .. } = want.setting {
                    asked += 1;
                    // A rule that absence satisfies demands nothing.
                    if table.directive(&name).is_none() && !want.rule.holds(None) {
                        wrong.push(format!("{}: {version} has no {name}", control.id));
                    }
                }
            }
        }
        assert!(asked > 20, "{asked} directives were asked for");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
