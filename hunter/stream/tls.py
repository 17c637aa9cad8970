"""Whom to trust: one TLS context for all connections of a process.

Making one reads the whole certificate store, which takes about 10 ms and half a megabyte.
Certificates and host names are always verified; nothing here, and no key of the configuration,
turns that off.
"""

from __future__ import annotations

import functools
import ssl


@functools.cache
def client_context() -> ssl.SSLContext:
    """Trusts what the host trusts (or SSL_CERT_FILE), speaks TLS 1.2 and newer."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
