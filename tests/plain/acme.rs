//! certbot itself, with a real ACME authority (Pebble) in the machine's network: what it obtains and what it renews reaches Redis by
//! the hook that we ship. Both are this machine's programs; certbot's directory is on the other's disk, and so is the hook.

use super::encrypted::{fingerprint, tls};
use super::machine::{BINARY, apply, bare, policy};
use crate::support::plain::Plain;
use std::path::Path;

const HOOK: &str = "/usr/share/redis-harden/deploy-hook";
const LINEAGE: &str = "/etc/letsencrypt/live/cache.example";

/// An authority that asks no proof of the name, since no name of a test resolves.
const AUTHORITY: &str = r#"
mkdir -p $ROOT/tmp/acme && cd $ROOT/tmp/acme
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2>/dev/null
echo '{"pebble": {"listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000", "certificate": "cert.pem",
       "privateKey": "key.pem", "httpPort": 80, "tlsPort": 443}}' >config.json
PEBBLE_VA_ALWAYS_VALID=1 PEBBLE_WFE_NONCEREJECT=0 setsid timeout 120 pebble -config config.json >log 2>&1 </dev/null &
echo $! >pid
for i in $(seq 100); do curl -sf --cacert cert.pem https://localhost:15000/roots/0 >root.pem && exit 0; sleep 0.1; done
cat log; exit 1"#;

/// certbot calls the hook in a shell, with the lineage in a variable. It sees the disk from here, the hook from there.
fn certbot(plain: &Plain, words: &str) -> crate::support::disk::Ran {
    let enter = format!("nsenter --all --target {}", plain.leader());
    plain.sh_from_here(&format!(
        "cd $ROOT/tmp/acme && REQUESTS_CA_BUNDLE=cert.pem certbot {words} --server https://localhost:14000/dir --non-interactive \
         --config-dir $ROOT/etc/letsencrypt --work-dir . --logs-dir . \
         --deploy-hook '{enter} env RENEWED_LINEAGE=${{RENEWED_LINEAGE#'$ROOT'}} {HOOK}'"
    ))
}

#[test]
fn what_certbot_obtains_and_renews_is_served_at_once() {
    let plain = bare();
    policy(&plain, "[tls]\nenabled = true\n");
    tls(&plain, &["init"]).ok();
    apply(&plain).ok();
    tls(&plain, &["issue", "web"]).ok();
    plain.exec(&["mkdir", "-p", "/usr/share/redis-harden"]).ok();
    plain.exec(&["ln", "-s", BINARY, "/usr/sbin/"]).ok();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/tls/deploy-hook");
    plain.install(&shipped, HOOK, 0o755);
    plain.sh_from_here(AUTHORITY).ok();
    let own = fingerprint(&plain, "served");

    let account = "--standalone --agree-tos --register-unsafely-without-email";
    let obtained = certbot(&plain, &format!("certonly {account} -d cache.example"));
    assert_eq!(obtained.code, 0, "{obtained}");
    let first = fingerprint(&plain, "served");
    assert_ne!(first, own, "{obtained}");
    assert_eq!(first, fingerprint(&plain, &format!("{LINEAGE}/cert.pem")));
    // A client that knows that authority's root alone; Redis knows the client by ours.
    let verified = plain.sh_from_here(
        "openssl s_client -connect 127.0.0.1:6380 -verify_return_error -verify_hostname cache.example \
         -CAfile $ROOT/tmp/acme/root.pem </dev/null",
    );
    assert!(verified.stdout.contains("Verification: OK"), "{verified}");

    let renewed = certbot(&plain, "renew --force-renewal --no-random-sleep-on-renew");
    assert_eq!(renewed.code, 0, "{renewed}");
    let second = fingerprint(&plain, "served");
    assert_ne!(second, first, "{renewed}");
    assert_eq!(second, fingerprint(&plain, &format!("{LINEAGE}/cert.pem")));
    plain.sh_from_here("kill $(cat $ROOT/tmp/acme/pid)").ok();
}
