#!/bin/sh
# Set up by redis-harden while it installs packages, so that their scripts do not start
# Redis with its stock configuration. Everything else is asked of the original policy.
# If it is still here and no redis-harden runs, `redis-harden apply` or `rollback` removes it.
original="${DPKG_ROOT:-}/usr/sbin/policy-rc.d.redis-harden-original"
list='' name='' action=''
for word in "$@"; do
    case "$word" in
    --list) list=yes ;;
    --*) ;;
    *) if [ -z "$name" ]; then name=$word; elif [ -z "$action" ]; then action=$word; fi ;;
    esac
done
name=${name%.service}
case "${name%%@*}" in
redis | redis-server | redis-sentinel | valkey | valkey-server | valkey-sentinel)
    case "$list$action" in
    yes* | stop | force-stop | status) ;;
    *) exit 101 ;;
    esac
    ;;
esac
if [ -x "$original" ]; then
    exec "$original" "$@"
fi
case "$action" in
"("*) exit 101 ;;
esac
[ -n "$list" ] || [ -e /sbin/init ] || exit 101
exit 0
