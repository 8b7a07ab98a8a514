"""Rate limits per group of routes: in this process (a virtual-scheduling GCRA, about a microsecond), or shared in Redis.

A limit such as `10/minute` allows 10 at once and then one every 6 seconds. With Redis all processes count together, by the
`limits` library's sliding window; while Redis is away each process counts alone, and `state` says so.
"""

from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import structlog

from ai_secretary.access.principal import Principal
from ai_secretary.context import request_context
from ai_secretary.errors import RateLimited, SecretaryError

if TYPE_CHECKING:
    from ai_secretary.config import Settings

log = structlog.get_logger(__name__)

GROUPS = ("default", "auth", "chat", "tts", "stt")
_KEY_GROUP = "key"
_UNLIMITED = {"", "0", "off", "none", "unlimited"}
_SWEEP_AT = 20_000
_REDIS_TIMEOUT_S = 0.25
_REDIS_RETRY_S = 5.0


@dataclass(slots=True, frozen=True)
class Standing:
    """Where a caller stands in a group, for the RateLimit headers."""

    limit: int
    remaining: int
    reset_s: float
    """Seconds until the full limit is available again."""


@dataclass(slots=True, frozen=True)
class LimitsState:
    shared: bool
    """Redis is configured."""
    degraded: bool
    """Redis is configured but away: each process counts alone."""
    reason: str = ""


class Bucket:
    """One limit: `amount` requests per `window_s` seconds and identity. Not thread-safe; lives on the event loop."""

    __slots__ = ("_arrivals", "_interval", "_sweep_at", "amount", "tolerance", "window_s")

    def __init__(self, amount: int, window_s: float) -> None:
        self.amount = amount
        self.window_s = window_s
        self._interval = window_s / amount
        self.tolerance = window_s - self._interval
        self._arrivals: dict[str, float] = {}
        """Identity → theoretical arrival time of its next request (monotonic seconds)."""
        self._sweep_at = _SWEEP_AT

    def take(self, identity: str, now: float) -> float:
        """0.0 when admitted (and counted), else the seconds to wait (and not counted)."""
        arrival = self._arrivals.get(identity, 0.0)
        if arrival < now:
            arrival = now
        elif arrival - now > self.tolerance:
            return arrival - now - self.tolerance
        self._arrivals[identity] = arrival + self._interval
        if len(self._arrivals) > self._sweep_at:
            self._sweep(now)
        return 0.0

    def give_back(self, identity: str) -> None:
        """Undo one `take`."""
        arrival = self._arrivals.get(identity)
        if arrival is not None:
            self._arrivals[identity] = arrival - self._interval

    def standing(self, identity: str, now: float) -> Standing:
        ahead = max(0.0, self._arrivals.get(identity, 0.0) - now)
        return Standing(self.amount, max(0, int((self.window_s - ahead) / self._interval + 1e-9)), ahead)

    def _sweep(self, now: float) -> None:
        self._arrivals = {identity: arrival for identity, arrival in self._arrivals.items() if arrival > now}
        # Under a flood from many addresses all entries are young: do not sweep at every request.
        self._sweep_at = max(_SWEEP_AT, 2 * len(self._arrivals))


def parse_limit(text: str) -> tuple[Any, ...]:
    """Items of the `limits` library for `600/minute`, `10/second; 1000/hour`, or () for `off`."""
    import limits

    if text.strip().casefold() in _UNLIMITED:
        return ()
    try:
        return tuple(limits.parse_many(text))
    except ValueError as error:
        raise SecretaryError(
            "Rate limit “{text}” is not understood",
            code="bad_rate_limit",
            hint="Write it like 600/minute, 10/second;1000/hour, or off.",
            text=text,
        ) from error


def _too_many(retry_after: float) -> RateLimited:
    return RateLimited(
        "Too many requests: try again in {seconds} s",
        hint="Wait, or ask an administrator for a higher limit.",
        retry_after=retry_after,
        seconds=max(1, int(retry_after + 0.999)),
    )


@lru_cache(maxsize=4096)
def address_identity(address: str) -> str:
    """IPv4 addresses one by one; IPv6 by /64, which is what one household has."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return f"address:{address or 'unknown'}"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return f"address:{parsed.ipv4_mapped}"
        return f"address:{ipaddress.ip_network((parsed, 64), strict=False).network_address}/64"
    return f"address:{parsed}"


def identity_of(principal: Principal | None, address: str) -> str:
    """Who is counted: the caller when known, else the address."""
    return principal.id if principal is not None else address_identity(address)


class RateLimits:
    """`check_fast` is the in-process check; `check` asks Redis where one is configured."""

    def __init__(self, rules: dict[str, str], *, redis_url: str | None = None) -> None:
        items = {group: parse_limit(rules.get(group, "")) for group in GROUPS}
        self._items = items
        self._buckets: dict[str, tuple[Bucket, ...]] = {
            group: tuple(Bucket(item.amount, item.get_expiry()) for item in parsed) for group, parsed in items.items()
        }
        self._key_buckets: dict[int, Bucket] = {}
        self._redis = _SharedLimits(redis_url) if redis_url else None

    @classmethod
    def from_settings(cls, settings: Settings) -> RateLimits:
        rules = {group: str(getattr(settings, f"rate_limit_{group}")) for group in GROUPS}
        return cls(rules, redis_url=settings.redis_url.get_secret_value() if settings.redis_url else None)

    @property
    def shared(self) -> bool:
        """Whether limits are counted in Redis: then await `check`, else `check_fast` is enough."""
        return self._redis is not None

    @property
    def state(self) -> LimitsState:
        if self._redis is None:
            return LimitsState(shared=False, degraded=False)
        return LimitsState(shared=True, degraded=self._redis.away, reason=self._redis.reason)

    # -- in this process ---------------------------------------------------------------------------------------------

    def check_fast(self, group: str, identity: str, per_minute: int | None = None) -> None:
        """Count one request; raises `RateLimited` when it is one too many. `per_minute` is a key's own limit."""
        now = time.monotonic()
        if per_minute is not None:
            wait = self._key_bucket(per_minute).take(identity, now)
            if wait:
                raise _too_many(wait)
        for bucket in self._buckets[group]:
            wait = bucket.take(identity, now)
            if wait:
                raise _too_many(wait)

    def standing(self, group: str, identity: str) -> Standing | None:
        """What is left in this process's count; None where the group has no limit."""
        buckets = self._buckets[group]
        if not buckets:
            return None
        now = time.monotonic()
        return min((bucket.standing(identity, now) for bucket in buckets), key=lambda standing: standing.remaining)

    def _key_bucket(self, per_minute: int) -> Bucket:
        bucket = self._key_buckets.get(per_minute)
        if bucket is None:
            bucket = self._key_buckets[per_minute] = Bucket(per_minute, 60.0)
        return bucket

    # -- everywhere --------------------------------------------------------------------------------------------------

    async def check(self, group: str, identity: str, per_minute: int | None = None) -> Standing | None:
        """Count one request, in Redis if configured and there; raises `RateLimited`. Returns the standing for headers.

        What the HTTP layer has counted when the request came in is not counted again by the endpoint that asks.
        """
        context = request_context.get()
        if context is not None and context.counted is not None:
            per_minute = None
            if context.counted == (group, identity):
                context.counted = ("", identity)
                return self.standing(group, identity)
        if self._redis is not None and not self._redis.resting:
            try:
                if per_minute is not None:
                    await self._redis.take(parse_limit(f"{per_minute}/minute"), _KEY_GROUP, identity)
                return await self._redis.take(self._items[group], group, identity)
            except _RedisAway:
                pass
        self.check_fast(group, identity, per_minute)
        return self.standing(group, identity)

    async def give_back(self, group: str, identity: str) -> None:
        """Undo one successful `check`: a log-in that went well does not count as an attempt."""
        if self._redis is not None and not self._redis.resting:
            try:
                await self._redis.give_back(self._items[group], group, identity)
                return
            except _RedisAway:
                pass
        for bucket in self._buckets[group]:
            bucket.give_back(identity)

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.close()


class _RedisAway(Exception):
    """Redis did not answer; count in this process."""


class _SharedLimits:
    """The `limits` library on Redis, with a rest after a failure so that a dead Redis does not slow every request."""

    def __init__(self, url: str) -> None:
        from limits.aio.storage import RedisStorage
        from limits.aio.strategies import SlidingWindowCounterRateLimiter
        from redis.asyncio import ConnectionPool

        # Valkey speaks the same protocol; the client knows it under the older name.
        url = url.replace("valkey", "redis", 1) if url.startswith("valkey") else url
        self._pool = ConnectionPool.from_url(url, socket_timeout=_REDIS_TIMEOUT_S, socket_connect_timeout=_REDIS_TIMEOUT_S)
        storage = RedisStorage(
            "async+redis://", implementation="redispy", key_prefix="secretary:limits", connection_pool=cast(Any, self._pool)
        )
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._rest_until = 0.0
        self.away = False
        self.reason = ""

    @property
    def resting(self) -> bool:
        return self.away and time.monotonic() < self._rest_until

    async def take(self, items: tuple[Any, ...], group: str, identity: str) -> Standing | None:
        standing: Standing | None = None
        for item in items:
            try:
                admitted = await self._limiter.hit(item, group, identity)
                stats = await self._limiter.get_window_stats(item, group, identity)
            except Exception as error:
                raise self._failed(error) from error
            self._succeeded()
            reset = max(0.0, stats.reset_time - time.time())
            if not admitted:
                raise _too_many(reset)
            if standing is None or stats.remaining < standing.remaining:
                standing = Standing(item.amount, stats.remaining, reset)
        return standing

    async def give_back(self, items: tuple[Any, ...], group: str, identity: str) -> None:
        for item in items:
            try:
                await self._limiter.hit(item, group, identity, cost=-1)
            except Exception as error:
                raise self._failed(error) from error

    def _failed(self, error: Exception) -> _RedisAway:
        if not self.away:
            log.warning("rate_limits_alone", reason=type(error).__name__, hint="Redis does not answer; each process counts alone")
        self.away = True
        self.reason = type(error).__name__
        self._rest_until = time.monotonic() + _REDIS_RETRY_S
        return _RedisAway()

    def _succeeded(self) -> None:
        if self.away:
            log.info("rate_limits_shared_again")
            self.away, self.reason = False, ""

    async def close(self) -> None:
        await self._pool.aclose()
