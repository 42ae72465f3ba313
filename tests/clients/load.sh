# Reads and writes with redis-cli, until the file STOP is there: PORT, USER, SECRET (the password file). TLS_CA, TLS_CERT and TLS_KEY
# make it TLS with a client certificate. Any request that fails ends it with 1.
set -eu
tls=
[ -z "${TLS_CA:-}" ] || tls="--tls --cacert $TLS_CA --cert $TLS_CERT --key $TLS_KEY"
user=$USER
done=0
while [ ! -e "$STOP" ]; do
    done=$((done + 1))
    # shellcheck disable=SC2086
    read=$(printf 'SET load:sh %s\nGET load:sh\n' "$done" |
        REDISCLI_AUTH=$(head -n 1 "$SECRET") redis-cli -e -p "$PORT" --user "$user" --no-auth-warning $tls | tail -n 1)
    [ "$read" = "$done" ] || { echo "read $read instead of $done" >&2; exit 1; }
done
echo "$done"
