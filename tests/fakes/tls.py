"""Self-signed certificates of 127.0.0.1, one good until 2120 and one that expired in 2020, and
their key: for test servers only.
"""

from __future__ import annotations

import ssl
from pathlib import Path

KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQguT/oWpADwACHvWUL
symmJraSxU43dUnAniikHrVTdoShRANCAARNJEV6csNbVOWXbGjUgx2Mos5+xRFH
c4lo1/BMcqbMJbIv9oeE93LwKUE/IW0ILwc2/w2wFnowmLiHZWXM/DQh
-----END PRIVATE KEY-----
"""
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBjjCCATOgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAl0ZXN0IG9u
bHkwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CXRlc3Qgb25seTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABE0kRXpyw1tU5Zds
aNSDHYyizn7FEUdziWjX8Exypswlsi/2h4T3cvApQT8hbQgvBzb/DbAWejCYuIdl
Zcz8NCGjdDByMA8GA1UdEQQIMAaHBH8AAAEwDwYDVR0TAQH/BAUwAwEB/zAOBgNV
HQ8BAf8EBAMCAoQwHQYDVR0OBBYEFCRjl9ZOfxJGtqRqCRKfK4h7jZnzMB8GA1Ud
IwQYMBaAFCRjl9ZOfxJGtqRqCRKfK4h7jZnzMAoGCCqGSM49BAMCA0kAMEYCIQDx
BwVGK0Ymr7S+vTemomCICC15Qpr6x/JnJYCpTxfdqQIhAOeFfPh0zzrtSnbx3uDm
z6HsOLxNNefP2q+MoK6nnJSZ
-----END CERTIFICATE-----
"""


EXPIRED = """\
-----BEGIN CERTIFICATE-----
MIIBWzCCAQCgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAl0ZXN0IG9u
bHkwHhcNMjAwMTAxMDAwMDAwWhcNMjAwMjAxMDAwMDAwWjAUMRIwEAYDVQQDDAl0
ZXN0IG9ubHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARNJEV6csNbVOWXbGjU
gx2Mos5+xRFHc4lo1/BMcqbMJbIv9oeE93LwKUE/IW0ILwc2/w2wFnowmLiHZWXM
/DQho0MwQTAPBgNVHREECDAGhwR/AAABMA8GA1UdEwEB/wQFMAMBAf8wHQYDVR0O
BBYEFCRjl9ZOfxJGtqRqCRKfK4h7jZnzMAoGCCqGSM49BAMCA0kAMEYCIQDHL89w
OPgZPFQlPNXYfEA4lOKO07zR969mFvgU1/RwUwIhALY3fseZ0qCrRIHNVAr/1Ud/
5ZU6EDMKSXmLVIzRLTdZ
-----END CERTIFICATE-----
"""


def server_context(folder: Path, certificate: str = CERTIFICATE) -> ssl.SSLContext:
    """The server's side; `certificate.pem` in `folder` is what a client has to trust."""
    (folder / "certificate.pem").write_text(certificate)
    (folder / "key.pem").write_text(KEY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context
