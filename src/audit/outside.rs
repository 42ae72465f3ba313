//! What cannot be set from inside a container, in the words of what started it.

use crate::facts::{Facts, Runtime};
use crate::setting::Setting;
use crate::setting::measure::Measure;

const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// What the owner of the machine around us types so that `setting` becomes `value`. Where nothing tells the runtime, and it is a
/// container, each of the usual ones is named. `None` for what has no one command.
pub fn remedy(setting: &Setting, value: &str, facts: &Facts) -> Option<String> {
    if facts.container_signs.is_empty() {
        return on_the_host(setting, value);
    }
    match facts.runtime {
        Some(runtime) => within(runtime, setting, value),
        None => {
            let usual = [
                ("Docker", Runtime::Docker),
                ("Kubernetes", Runtime::Kubernetes),
                ("LXC", Runtime::Lxc),
            ];
            if is_of_the_whole_machine(setting) {
                return on_the_host(setting, value);
            }
            let told = usual.iter().filter_map(|(name, runtime)| {
                Some(format!("{name}: {}", within(*runtime, setting, value)?))
            });
            let told: Vec<String> = told.collect();
            (!told.is_empty()).then(|| told.join("; "))
        }
    }
}

fn within(runtime: Runtime, setting: &Setting, value: &str) -> Option<String> {
    match setting {
        Setting::Sysctl(key) if is_namespaced(key) => Some(match runtime {
            Runtime::Docker | Runtime::Podman => {
                format!("start the container with --sysctl {key}={value}")
            }
            Runtime::Kubernetes => format!(
                "securityContext.sysctls of the pod: [{{name: {key}, value: \"{value}\"}}], and --allowed-unsafe-sysctls={key} of the kubelet"
            ),
            Runtime::Lxc => format!("lxc.sysctl.{key} = {value} in the container's configuration"),
            Runtime::Nspawn => format!(
                "nsenter -t $(machinectl show -P Leader NAME) -n sysctl -w {key}={value} on the host, at each start of the container"
            ),
        }),
        Setting::Sysctl(_) | Setting::HugePages => {
            let host = on_the_host(setting, value)?;
            Some(match runtime {
                Runtime::Kubernetes => {
                    format!("on each node, or by a privileged DaemonSet: {host}")
                }
                _ => host,
            })
        }
        Setting::Measure(Measure::ReachableNofile) => Some(match runtime {
            Runtime::Docker | Runtime::Podman => {
                format!("start the container with --ulimit nofile={value}:{value}")
            }
            Runtime::Kubernetes => format!(
                "no field of a pod sets it: LimitNOFILE={value} in a drop-in of the node's containerd.service"
            ),
            Runtime::Lxc => {
                format!("lxc.prlimit.nofile = {value} in the container's configuration")
            }
            Runtime::Nspawn => format!("start the container with --rlimit=RLIMIT_NOFILE={value}"),
        }),
        _ => None,
    }
}

fn on_the_host(setting: &Setting, value: &str) -> Option<String> {
    match setting {
        Setting::Sysctl(key) => Some(format!(
            "sysctl -w {key}={value}, and the same in a file of its /etc/sysctl.d"
        )),
        Setting::HugePages => Some(format!(
            "echo {value} > {HUGE_PAGES}, and transparent_hugepage={value} on its kernel's command line"
        )),
        _ => None,
    }
}

fn is_of_the_whole_machine(setting: &Setting) -> bool {
    match setting {
        Setting::Sysctl(key) => !is_namespaced(key),
        other => *other == Setting::HugePages,
    }
}

/// The sysctls that each container has of its own. Source: namespaces(7), and what `docker run --sysctl` takes.
fn is_namespaced(key: &str) -> bool {
    const OF_IPC: [&str; 6] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
    ];
    key.starts_with("net.") || key.starts_with("fs.mqueue.") || OF_IPC.contains(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_runtime_has_its_own_words_for_a_namespaced_sysctl() {
        let somaxconn = Setting::Sysctl("net.core.somaxconn".into());
        let told = |runtime| within(runtime, &somaxconn, "4096").unwrap();
        assert_eq!(
            told(Runtime::Docker),
            "start the container with --sysctl net.core.somaxconn=4096"
        );
        assert!(told(Runtime::Kubernetes).contains("{name: net.core.somaxconn, value: \"4096\"}"));
        assert!(told(Runtime::Lxc).starts_with("lxc.sysctl.net.core.somaxconn = 4096"));
    }

    #[test]
    fn docker_is_never_told_to_take_a_sysctl_that_it_refuses() {
        let overcommit = Setting::Sysctl("vm.overcommit_memory".into());
        for runtime in [
            Runtime::Docker,
            Runtime::Podman,
            Runtime::Lxc,
            Runtime::Nspawn,
        ] {
            let told = within(runtime, &overcommit, "1").unwrap();
            assert_eq!(
                told,
                "sysctl -w vm.overcommit_memory=1, and the same in a file of its /etc/sysctl.d"
            );
        }
        let told = within(Runtime::Kubernetes, &overcommit, "1").unwrap();
        assert!(told.contains("DaemonSet"), "{told}");
    }
}
