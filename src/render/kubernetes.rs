//! Kubernetes manifests: a StatefulSet that fits the restricted Pod Security Standard, who may reach it, and the nodes it needs.

use super::exporter::{self, Exporter};
use super::{Choice, Container, UID, yaml};
use crate::policy::Policy;
use serde_json::{Value, json};
use std::path::Path;

const HEAD: &str = "\
# Written by `redis-harden render kubernetes`. The passwords are in no file of these: before `kubectl apply -f`, for each key that the
# StatefulSet mounts from the Secret (the exporter's also as JSON: {\"redis://localhost:6379\": \"…\"})
#   kubectl create secret generic NAME-passwords --from-file=KEY=FILE …
# With [tls], the certificate, its key and the authorities, by the names of the files that the policy names (cert-manager's Secrets have
# tls.crt, tls.key and ca.crt), and the exporter's: the Secret NAME-tls.
# Clients are the pods with the label redis-client: \"true\". A changed Secret or policy counts after a restart of the pod:
#   kubectl rollout restart statefulset/NAME
# A renewed certificate needs none where its files have a directory of their own in the policy: the supervisor sees it there.
# One replica: a second pod would be another, empty Redis. The disruption budget keeps a drain waiting until you delete the pod.
# The DaemonSet prepares the nodes, since no pod can do that for itself; it is privileged, and belongs into a namespace that allows it.
";

/// Whether one process of the node's, or only the pod's own, is meant.
const LABEL: &str = "app.kubernetes.io/name";

/// Volumes of the same Secret: neither container has the other's key.
const TLS: &str = "tls";
const EXPORTER_TLS: &str = "exporter-tls";

/// The manifests.
///
/// # Errors
/// A value that YAML cannot hold, or a password that cannot be mounted.
pub fn kubernetes(policy: &Policy, choice: &Choice) -> Result<String, String> {
    let container = Container::of(policy, choice)?;
    // In the same pod.
    let exporter = Exporter::of(&container, "localhost");
    let name = match policy.is_default() {
        true => "redis".to_owned(),
        false => format!("redis-{}", policy.redis.name)
            .replace('_', "-")
            .to_lowercase(),
    };
    let text = toml::to_string(policy).map_err(|e| format!("writing the policy: {e}"))?;
    let manifests = [
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": meta(&name, &format!("{name}-policy")),
            "data": {"policy.toml": text},
        }),
        json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": meta(&name, &name),
            "automountServiceAccountToken": false,
        }),
        service(&name, policy),
        stateful_set(&name, &container, exporter.as_ref()),
        network_policy(&name, policy, exporter.is_some()),
        json!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": meta(&name, &name),
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {LABEL: name}}},
        }),
        nodes(&name, &container),
    ];
    yaml(HEAD, &manifests)
}

fn meta(app: &str, name: &str) -> Value {
    json!({"name": name, "labels": {LABEL: app, "app.kubernetes.io/managed-by": "redis-harden"}})
}

/// Headless: the pod's own name and address.
fn service(name: &str, policy: &Policy) -> Value {
    let ports = policy.ports().into_iter().filter(|port| *port != 0);
    let ports: Vec<Value> = ports
        .map(|port| json!({"name": format!("redis-{port}"), "port": port, "targetPort": port}))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta(name, name),
        "spec": {"clusterIP": "None", "selector": {LABEL: name}, "ports": ports},
    })
}

fn stateful_set(name: &str, container: &Container, exporter: Option<&Exporter>) -> Value {
    let mut containers = vec![server(container)];
    containers.extend(exporter.map(beside));
    let mut volumes = vec![
        json!({"name": "policy", "configMap": {"name": format!("{name}-policy"), "defaultMode": 0o440}}),
        json!({"name": "passwords", "secret": {"secretName": format!("{name}-passwords"), "defaultMode": 0o440}}),
        json!({"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "32Mi"}}),
    ];
    let certificates = [
        (TLS, container.tls.iter().collect::<Vec<_>>()),
        (EXPORTER_TLS, exporter.iter().flat_map(|e| &e.tls).collect()),
    ];
    for (volume, files) in certificates.iter().filter(|(_, files)| !files.is_empty()) {
        let keys = files.iter().map(|path| Container::file_name(path));
        let items: Vec<Value> = keys.map(|key| json!({"key": key, "path": key})).collect();
        let secret =
            json!({"secretName": format!("{name}-tls"), "defaultMode": 0o440, "items": items});
        volumes.push(json!({"name": volume, "secret": secret}));
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": meta(name, name),
        "spec": {
            "serviceName": name,
            "replicas": 1,
            "selector": {"matchLabels": {LABEL: name}},
            "template": {
                "metadata": {"labels": {LABEL: name}},
                "spec": {
                    "serviceAccountName": name,
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "terminationGracePeriodSeconds": container.grace,
                    "securityContext": pod_security(container.policy),
                    "containers": containers,
                    "volumes": volumes,
                },
            },
            "volumeClaimTemplates": [{
                "metadata": {"name": "data"},
                "spec": {
                    "accessModes": ["ReadWriteOncePod"],
                    "resources": {"requests": {"storage": container.storage.to_string()}},
                },
            }],
        },
    })
}

/// net.core.somaxconn is not among the sysctls that a kubelet allows unasked; a new network has 4096 of it by itself.
fn pod_security(policy: &Policy) -> Value {
    const OF_A_NEW_NETWORK: u32 = 4096;
    let somaxconn = policy.kernel.somaxconn;
    let mut context = json!({
        "runAsNonRoot": true,
        "runAsUser": UID,
        "runAsGroup": UID,
        "fsGroup": UID,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    if let Some(context) = context.as_object_mut()
        && somaxconn > OF_A_NEW_NETWORK
    {
        let sysctl = json!([{"name": "net.core.somaxconn", "value": somaxconn.to_string()}]);
        context.insert("sysctls".into(), sysctl);
    }
    context
}

fn restricted() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    })
}

fn server(container: &Container) -> Value {
    let policy = container.policy;
    let probe = json!({"command": container.health()});
    let start = policy
        .service
        .start_timeout
        .std()
        .as_secs()
        .div_ceil(10)
        .max(1);
    // Loading answers on the port, and so does a server that is busy: what is dead does not. The supervisor replaces it long before.
    let port = policy.ports().into_iter().find(|port| *port != 0);
    let mut server = json!({
        "name": "redis",
        "image": container.image,
        "args": [policy.redis.name],
        "securityContext": restricted(),
        "ports": policy.ports().into_iter().filter(|p| *p != 0).map(|p| json!({"name": format!("redis-{p}"), "containerPort": p})).collect::<Vec<_>>(),
        // Memory is asked for whole, so that the node never takes it back; processors are not limited, since throttling is latency.
        "resources": {
            "requests": {"memory": container.memory.to_string(), "cpu": "1"},
            "limits": {"memory": container.memory.to_string()},
        },
        "startupProbe": {"exec": probe, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": start},
        "readinessProbe": {"exec": probe, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3},
        "volumeMounts": mounts(container),
    });
    if let (Some(server), Some(port)) = (server.as_object_mut(), port) {
        let alive = json!({"tcpSocket": {"port": port}, "periodSeconds": 30, "timeoutSeconds": 5, "failureThreshold": 10});
        server.insert("livenessProbe".into(), alive);
    }
    server
}

/// Each password by itself: in a Secret's own directory they are links, which nothing here follows.
fn mounts(container: &Container) -> Vec<Value> {
    let mut mounts = vec![
        json!({"name": "data", "mountPath": container.policy.data_dir()}),
        json!({"name": "policy", "mountPath": "/etc/redis-harden/policy.toml", "subPath": "policy.toml", "readOnly": true}),
    ];
    mounts.extend(container.secrets.iter().map(|(_, path)| {
        json!({"name": "passwords", "mountPath": path, "subPath": Container::secret_name(path), "readOnly": true})
    }));
    mounts.extend(certificate(container));
    mounts.extend(
        container
            .scratch
            .iter()
            .map(|path| json!({"name": "scratch", "mountPath": path, "subPath": sub_path(path)})),
    );
    mounts
}

/// By its directory where it has one of its own: what is mounted by itself a kubelet does not replace.
fn certificate(container: &Container) -> Vec<Value> {
    match container.tls_directory() {
        Some(dir) => vec![json!({"name": TLS, "mountPath": dir, "readOnly": true})],
        None => container.tls.iter().map(|p| of_tls(TLS, p)).collect(),
    }
}

fn of_tls(volume: &str, path: &Path) -> Value {
    json!({"name": volume, "mountPath": path, "subPath": Container::file_name(path), "readOnly": true})
}

fn sub_path(path: &Path) -> String {
    path.to_string_lossy()
        .trim_start_matches('/')
        .replace('/', "-")
}

fn beside(exporter: &Exporter) -> Value {
    let told = exporter.environment.iter();
    let mut mounts = vec![
        json!({"name": "passwords", "mountPath": exporter::PASSWORDS, "subPath": "redis-exporter-json", "readOnly": true}),
    ];
    mounts.extend(exporter.tls.iter().map(|path| of_tls(EXPORTER_TLS, path)));
    json!({
        "name": "exporter",
        "image": exporter::IMAGE,
        "securityContext": restricted(),
        "env": told.map(|(name, value)| json!({"name": name, "value": value})).collect::<Vec<_>>(),
        "ports": [{"name": "metrics", "containerPort": exporter::PORT}],
        "resources": {"requests": {"memory": "64Mi", "cpu": "50m"}, "limits": {"memory": "64Mi"}},
        "volumeMounts": mounts,
    })
}

/// Who may connect: pods with the label, and the networks of the policy. Redis itself connects to nobody but its peers.
fn network_policy(name: &str, policy: &Policy, has_exporter: bool) -> Value {
    let block = |cidr: &crate::policy::Cidr| json!({"ipBlock": {"cidr": cidr.to_string()}});
    let tcp = |port: u16| json!({"protocol": "TCP", "port": port});
    let ports: Vec<Value> = (policy.ports().into_iter().filter(|p| *p != 0))
        .map(tcp)
        .collect();
    let mut from = vec![json!({"podSelector": {"matchLabels": {"redis-client": "true"}}})];
    from.extend(policy.firewall.allow.iter().map(block));
    let mut ingress = vec![json!({"from": from, "ports": ports})];
    if has_exporter {
        let monitoring = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}});
        ingress.push(json!({"from": [monitoring], "ports": [tcp(exporter::PORT)]}));
    }
    let peers: Vec<Value> = policy.firewall.peers.iter().map(block).collect();
    let egress = match peers.is_empty() {
        true => json!([]),
        false => json!([{"to": peers, "ports": ports}]),
    };
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta(name, name),
        "spec": {
            "podSelector": {"matchLabels": {LABEL: name}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    })
}

/// vm.* and huge pages are the node's, and no pod's: written there now, and kept for its next boot. Its journal stays on the node, so
/// that `redis-harden rollback` can take it back.
fn nodes(name: &str, container: &Container) -> Value {
    let app = format!("{name}-nodes");
    let kept = ["/etc/sysctl.d", "/etc/tmpfiles.d", "/var/lib/redis-harden"];
    let volume = |path: &str| sub_path(Path::new(path)).replace('.', "-");
    let mut mounts: Vec<Value> = kept
        .iter()
        .map(|path| json!({"name": volume(path), "mountPath": path}))
        .collect();
    let policy = json!({"name": "policy", "mountPath": "/etc/redis-harden/policy.toml", "subPath": "policy.toml", "readOnly": true});
    mounts.extend([
        policy,
        json!({"name": "run", "mountPath": "/run/redis-harden"}),
    ]);
    let mut volumes: Vec<Value> = kept
        .iter()
        .map(|path| json!({"name": volume(path), "hostPath": {"path": path, "type": "DirectoryOrCreate"}}))
        .collect();
    let policy = json!({"name": "policy", "configMap": {"name": format!("{name}-policy"), "defaultMode": 0o444}});
    volumes.extend([
        policy,
        json!({"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}),
    ]);
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": meta(&app, &app),
        "spec": {
            "selector": {"matchLabels": {LABEL: app}},
            "template": {
                "metadata": {"labels": {LABEL: app}},
                "spec": {
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    // The node's network has sysctls of its own too.
                    "hostNetwork": true,
                    "initContainers": [{
                        "name": "apply",
                        "image": container.image,
                        "command": ["/usr/sbin/redis-harden", "apply", "--only", "kernel.*,memory.transparent-huge-pages", "--message", "kubernetes node"],
                        "securityContext": {"privileged": true, "runAsUser": 0, "readOnlyRootFilesystem": true},
                        "resources": {"requests": {"memory": "64Mi", "cpu": "50m"}, "limits": {"memory": "128Mi"}},
                        "volumeMounts": mounts,
                    }],
                    "containers": [{
                        "name": "pause",
                        "image": container.image,
                        "command": ["/usr/bin/sleep", "infinity"],
                        "securityContext": {
                            "allowPrivilegeEscalation": false,
                            "readOnlyRootFilesystem": true,
                            "runAsNonRoot": true,
                            "runAsUser": 65535,
                            "capabilities": {"drop": ["ALL"]},
                            "seccompProfile": {"type": "RuntimeDefault"},
                        },
                        "resources": {"requests": {"memory": "4Mi", "cpu": "1m"}, "limits": {"memory": "8Mi"}},
                    }],
                    "volumes": volumes,
                },
            },
        },
    })
}
