"""Reads and writes as a program with redis-py would, until the file STOP is there: PORT, USER, SECRET (the password file).
TLS_CA, TLS_CERT and TLS_KEY make it TLS with a client certificate. Any request that fails ends it with 1."""

import os
import sys

import redis


class File(redis.CredentialProvider):
    """Asked for each new connection."""

    def get_credentials(self):
        with open(os.environ["SECRET"]) as file:
            return os.environ["USER"], file.readline().strip()


tls = {}
if "TLS_CA" in os.environ:
    tls = dict(
        ssl=True,
        ssl_ca_certs=os.environ["TLS_CA"],
        ssl_certfile=os.environ["TLS_CERT"],
        ssl_keyfile=os.environ["TLS_KEY"],
    )


def connect():
    # No second attempt hides what failed.
    return redis.Redis(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        credential_provider=File(),
        retry=None,
        retry_on_timeout=False,
        **tls,
    )


stays, done = connect(), 0
while not os.path.exists(os.environ["STOP"]):
    comes = connect()
    for client in (stays, comes):
        done += 1
        client.set("load:py", done)
        if int(client.get("load:py")) != done:
            sys.exit("read something else than was written")
    comes.close()
print(done)
