"""What an actor's process gets of the supervisor's surroundings: variables by an allow-list for its
role, and modules from where hunter itself is installed.

A session's variables hold what is none of an actor's business (tokens of other programs), and what
an actor does not have cannot get into its crash dumps. The composition root calls it, and whoever
starts a supervisor in the background.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

from hunter.config import Config, secret_variable

# Where things are, how text is written, and what the interpreter, the loader, the allocator,
# numpy's threads, TLS and a measurement of coverage want to be told; and whether to do without the
# compiled half.
_NAMES: Final = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR"),
        *("XDG_RUNTIME_DIR", "VIRTUAL_ENV", "SSL_CERT_FILE", "SSL_CERT_DIR", "OPENSSL_CONF"),
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "HUNTER_NATIVE"),
    )
)
_PREFIXES: Final = ("LC_", "PYTHON", "LD_", "MALLOC_", "GLIBC_", "COVERAGE_")
# The way to the exchange: for whom goes there. Proxies may have passwords.
_NETWORK_NAMES: Final = frozenset(
    ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "res_options", "localdomain")
)
_GOES_OUT: Final = frozenset(("stream", "alerts"))
_OURS: Final = Path(__file__).resolve().parents[1] / "__init__.py"


def actor_environment(variables: Mapping[str, str], role: str, config: Config) -> dict[str, str]:
    """What an actor of this role gets of `variables`. Whoever alerts gets what holds its secrets.

    A brain with a user's code gets them all: that is the user's program, and how it is told which
    device to use or where its own data are is not for us to know.
    """
    if role == "brain" and config.brain.has_plugins:
        return dict(variables)
    secrets = _secret_names(config) if role == "alerts" else frozenset()
    return {
        name: value
        for name, value in variables.items()
        if name in _NAMES
        or name.startswith(_PREFIXES)
        or (role in _GOES_OUT and name.lower() in _NETWORK_NAMES)
        or name in secrets
    }


def _secret_names(config: Config) -> frozenset[str]:
    alerts = config.alerts
    references = (alerts.webhook, alerts.telegram_token, alerts.apprise)
    return frozenset(filter(None, map(secret_variable, references)))


def interpreter() -> tuple[str, ...]:
    """The words before `-m`. -P: no module is taken from the working directory, which may be
    anybody's (a zmq.py in /tmp). Only a source tree that is not installed has no other place.
    """
    here = os.path.realpath(".")
    elsewhere = [place for place in sys.path if os.path.realpath(place or ".") != here]
    found = PathFinder.find_spec("hunter", elsewhere)
    is_ours = found is not None and found.origin is not None and Path(found.origin) == _OURS
    return (sys.executable, "-P") if is_ours else (sys.executable,)
