//! Transparent huge pages: now, after a reboot, and whatever else on the host sets them.

use crate::control::{Control, Phase, Severity, Want, Wants, fails, passes};
use crate::facts::Facts;
use crate::policy::{HugePages, Policies};
use crate::rule::Rule;
use crate::setting::Setting;
use crate::value::{Access, FileValue, Value};

const TMPFILES: &str = "/etc/tmpfiles.d/redis-harden.conf";

const SELECTED: (&str, &str) = (
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "always [madvise] never\n",
);
const OUR_LINE: (&str, &str) = (
    TMPFILES,
    "# Written by redis-harden (memory.transparent-huge-pages).\nw- /sys/kernel/mm/transparent_hugepage/enabled - - - - madvise\n",
);

pub const CONTROL: Control = Control {
    id: "memory.transparent-huge-pages",
    title: "transparent huge pages are off for programs that do not ask for them, now and after a reboot",
    severity: Severity::Medium,
    why: "After a fork one written byte copies 2 MiB instead of 4 KiB: latency spikes and memory far above maxmemory while a save runs.",
    references: &[
        "Redis src/syscheck.c checkTHPEnabled",
        "https://docs.kernel.org/admin-guide/mm/transhuge.html",
        "tmpfiles.d(5)",
    ],
    by_hand: "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, the same by tmpfiles.d, and restart Redis",
    wants: Wants::Host(wants),
    cases: &[
        passes(&[SELECTED, OUR_LINE]),
        passes(&[
            (
                "/sys/kernel/mm/transparent_hugepage/enabled",
                "always madvise [never]\n",
            ),
            OUR_LINE,
        ]),
        fails(&[(
            "/sys/kernel/mm/transparent_hugepage/enabled",
            "[always] madvise never\n",
        )]),
        passes(&[
            SELECTED,
            OUR_LINE,
            (
                "/sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled",
                "always [inherit] madvise never\n",
            ),
        ]),
        fails(&[
            SELECTED,
            OUR_LINE,
            (
                "/sys/kernel/mm/transparent_hugepage/hugepages-2048kB/enabled",
                "[always] inherit madvise never\n",
            ),
        ]),
        fails(&[
            SELECTED,
            OUR_LINE,
            (
                "/usr/lib/tmpfiles.d/database.conf",
                "w /sys/kernel/mm/transparent_hugepage/* - - - - always\n",
            ),
        ]),
        fails(&[
            SELECTED,
            OUR_LINE,
            (
                "/etc/tmpfiles.d/database.conf",
                "w /sys/kernel/mm/transparent_hugepage/hugepages-2048kB/enabled - - - - always\n",
            ),
        ]),
        // The name that /etc has counts over that of /usr/lib.
        passes(&[
            SELECTED,
            OUR_LINE,
            ("/etc/tmpfiles.d/database.conf", "\n"),
            (
                "/usr/lib/tmpfiles.d/database.conf",
                "w /sys/kernel/mm/transparent_hugepage/* - - - - always\n",
            ),
        ]),
    ],
};

fn wants(policies: &Policies, facts: &Facts) -> Vec<Want> {
    let (word, rule) = match policies.huge_pages() {
        HugePages::Never => ("never", Rule::Is(Value::text("never"))),
        HugePages::Madvise => (
            "madvise",
            Rule::OneOf(vec![Value::text("madvise"), Value::text("never")]),
        ),
    };
    let content = format!(
        "# Written by redis-harden (memory.transparent-huge-pages).\nw- {} - - - - {word}\n",
        crate::setting::kernel::HUGE_PAGES
    );
    let access = Access {
        user: facts.user("root"),
        group: facts.group("root"),
        mode: 0o644,
    };
    let file = Value::File(FileValue {
        content: content.into_bytes(),
        access,
    });
    let wanted = match policies.huge_pages() {
        HugePages::Never => vec!["never".to_owned()],
        HugePages::Madvise => vec!["madvise".to_owned(), "never".to_owned()],
    };
    let rivals = Setting::TmpfilesRivals {
        path: crate::setting::kernel::HUGE_PAGES.into(),
        wanted,
    };
    let rivals_by_size = Setting::TmpfilesRivals {
        path: format!(
            "{}/hugepages-*kB/enabled",
            crate::setting::kernel::HUGE_PAGES_DIR
        )
        .into(),
        wanted: ["inherit", "madvise", "never"].map(str::to_owned).to_vec(),
    };
    let mut wants = vec![
        Want::by_hand(
            Setting::HugePageSizes,
            Rule::Absent,
            "echo inherit > the file `enabled` of each size that is named, and wherever it is set at boot",
        ),
        Want::by_hand(rivals, Rule::Absent, "remove the lines that are named"),
        Want::by_hand(
            rivals_by_size,
            Rule::Absent,
            "remove the lines that are named",
        ),
        Want::write(Phase::Kernel, "huge-pages", Setting::HugePages, rule),
        Want::write(
            Phase::KernelAtBoot,
            "huge-pages",
            Setting::File(TMPFILES.into()),
            Rule::Is(file),
        ),
    ];
    // A container has no boot of its own.
    if facts.entrypoint.is_some() {
        let now = |want: &Want| matches!(want.setting, Setting::HugePages | Setting::HugePageSizes);
        wants.retain(now);
    }
    wants
}
