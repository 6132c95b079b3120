"""The Prometheus metrics, on the host's `/metrics`."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

MESSAGES = Counter(
    "jupyter_bridge_messages",
    "Kernel messages relayed, by channel and direction (in: to the kernel, out: from it).",
    ["channel", "direction"],
)
MESSAGE_BYTES = Counter(
    "jupyter_bridge_message_bytes",
    "Bytes of kernel messages relayed, by channel and direction.",
    ["channel", "direction"],
)
CLIENTS = Gauge("jupyter_bridge_clients", "Client channels open on relayed kernels.")
RELAYS = Gauge("jupyter_bridge_relays", "Kernels with an open relay.")
RING_BYTES = Gauge("jupyter_bridge_ring_bytes", "Bytes of recent kernel messages that are held.")
GAPS = Counter("jupyter_bridge_gaps", "Gaps reported to clients that were too slow or away.")
REFUSED = Counter(
    "jupyter_bridge_refused",
    "Messages that were not passed on, by reason: signature, malformed, unrouted, message-type, "
    "input-reply.",
    ["reason"],
)
EXECUTION_SECONDS = Histogram(
    "jupyter_bridge_execution_seconds",
    "Duration of executions asked for over HTTP, by how they ended.",
    ["status"],
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600),
)
RUN_SECONDS = Histogram(
    "jupyter_bridge_run_seconds",
    "Duration of shell commands that were run, by how they ended.",
    ["status"],
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600),
)
CONSOLES = Gauge("jupyter_bridge_consoles", "Live consoles.")
CONSOLE_VIEWERS = Gauge("jupyter_bridge_console_viewers", "Viewers of consoles, writers included.")
CONSOLE_BYTES = Counter("jupyter_bridge_console_bytes", "Bytes of output of consoles.", ["kind"])
CONSOLE_SENT = Counter("jupyter_bridge_console_sent_bytes", "Bytes of consoles sent to viewers.")
CONSOLE_GAPS = Counter("jupyter_bridge_console_gaps", "Gaps reported to viewers of consoles.")
CONSOLE_LAG = Histogram(
    "jupyter_bridge_console_lag_bytes",
    "How far behind the present a viewer was at each frame.",
    buckets=(0, 1 << 10, 1 << 14, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26),
)
CONNECTIONS = Gauge(
    "jupyter_bridge_connections", "Connections, by kind and state.", ["kind", "state"]
)
LOGINS = Counter(
    "jupyter_bridge_logins",
    "Logins to remotes, by kind and what came of them.",
    ["kind", "outcome"],
)
LOGIN_SECONDS = Histogram(
    "jupyter_bridge_login_seconds",
    "Duration of logins to remotes, by kind.",
    ["kind"],
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
)
