"""One context a process, which verifies; what it refuses is tested with connections."""

from __future__ import annotations

import ssl

from hunter.stream.tls import client_context


def test_context_verifies_and_speaks_no_old_protocol() -> None:
    context = client_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_context_is_made_once() -> None:
    assert client_context() is client_context()
