"""Prometheus metrics in a registry of our own, with labels that a caller cannot multiply."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"
"""Route label of a path that no route has."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """One per application. Other rooms add their own metrics to `registry`, prefixed `secretary_`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._requests = Counter(
            "secretary_http_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self._duration = Histogram(
            "secretary_http_request_duration_seconds",
            "Time from the request's first byte to the answer's last",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge("secretary_http_requests_in_flight", "Requests being served now", registry=self.registry)
        self._sockets = Gauge("secretary_http_websockets", "Open WebSockets", registry=self.registry)
        self._bound: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        """Children by what they are looked up by: `labels()` costs more than the counting."""

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request. `route` is a template from the application, never a path from a caller."""
        key = (method, route, status // 100)
        bound = self._bound.get(key)
        if bound is None:
            named = method if method in METHODS else "OTHER"
            bound = (self._requests.labels(named, route, f"{status // 100}xx"), self._duration.labels(route))
            if named == method:
                # A method that somebody invented must not grow this dictionary either.
                self._bound[key] = bound
        bound[0].inc()
        bound[1].observe(seconds)

    def socket_opened(self) -> None:
        self._sockets.inc()

    def socket_closed(self) -> None:
        self._sockets.dec()

    def render(self) -> tuple[str, bytes]:
        """Content type and body of `/metrics`. Takes milliseconds when there are many series: call it in a thread."""
        return CONTENT_TYPE_LATEST, generate_latest(self.registry)
