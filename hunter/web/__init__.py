"""The page, /metrics, /healthz and /readyz: an actor that looks on. An extra: `web`."""
