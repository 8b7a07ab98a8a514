from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_secretary.access import RateLimits, address_identity
from ai_secretary.access.limits import Bucket
from ai_secretary.config import Settings
from ai_secretary.errors import RateLimited, SecretaryError
from ai_secretary.testing.services import free_port


def test_a_limit_admits_its_amount_and_then_one_by_one() -> None:
    bucket = Bucket(10, 60.0)
    now = 1000.0
    assert [bucket.take("a", now) for _ in range(10)] == [0.0] * 10
    wait = bucket.take("a", now)
    assert wait == pytest.approx(6.0)
    assert bucket.take("b", now) == 0.0, "others are not concerned"
    assert bucket.take("a", now + wait + 1e-6) == 0.0
    assert bucket.take("a", now + wait + 1e-6) > 0
    assert bucket.take("a", now + 120) == 0.0


@given(st.lists(st.floats(min_value=0, max_value=30), min_size=1, max_size=200), st.integers(1, 20))
def test_no_window_ever_admits_more_than_twice_the_amount(gaps: list[float], amount: int) -> None:
    bucket, now, admitted = Bucket(amount, 60.0), 0.0, []
    for gap in gaps:
        now += gap
        if bucket.take("a", now) == 0.0:
            admitted.append(now)
    for index, start in enumerate(admitted):
        assert sum(1 for moment in admitted[index:] if moment < start + 60.0) <= 2 * amount


def test_waiting_as_long_as_was_said_is_enough() -> None:
    bucket, now = Bucket(3, 1.0), 0.0
    for _ in range(100):
        wait = bucket.take("a", now)
        if wait:
            now += wait + 1e-9
            assert bucket.take("a", now) == 0.0


def test_memory_stays_bounded_when_addresses_change() -> None:
    bucket = Bucket(1, 1.0)
    for number in range(100_000):
        bucket.take(f"address:{number}", number * 0.001)
    assert len(bucket._arrivals) < 45_000


def test_a_key_has_a_limit_of_its_own() -> None:
    limits = RateLimits({"chat": "1000/minute"})
    for _ in range(3):
        limits.check_fast("chat", "key_1", 3)
    with pytest.raises(RateLimited):
        limits.check_fast("chat", "key_1", 3)
    limits.check_fast("chat", "key_2", 3)


def test_groups_count_apart_and_may_be_off() -> None:
    limits = RateLimits({"chat": "1/minute", "tts": "1/minute", "stt": "off"})
    limits.check_fast("chat", "a")
    limits.check_fast("tts", "a")
    with pytest.raises(RateLimited):
        limits.check_fast("chat", "a")
    for _ in range(1000):
        limits.check_fast("stt", "a")


def test_several_limits_at_once() -> None:
    limits = RateLimits({"chat": "2/second; 3/minute"})
    limits.check_fast("chat", "a")
    limits.check_fast("chat", "a")
    with pytest.raises(RateLimited) as refused:
        limits.check_fast("chat", "a")
    assert refused.value.retry_after is not None
    assert refused.value.retry_after <= 0.5


@pytest.mark.parametrize("text", ["many", "10/fortnight", "-1/minute", "ten/minute"])
def test_a_limit_that_makes_no_sense_stops_the_start(text: str) -> None:
    with pytest.raises(SecretaryError) as refused:
        RateLimits({"chat": text})
    assert refused.value.code == "bad_rate_limit"


def test_ipv6_is_counted_by_network() -> None:
    assert address_identity("2001:db8:1:2::1") == address_identity("2001:db8:1:2:ffff::9") != address_identity("2001:db8:1:3::1")
    assert address_identity("::ffff:203.0.113.7") == address_identity("203.0.113.7") != address_identity("203.0.113.8")
    assert address_identity("") == "address:unknown"
    assert address_identity("fe80::1%eth0") == address_identity("fe80::1")


def test_the_fast_check_takes_two_microseconds() -> None:
    limits = RateLimits({"chat": "1000000000/minute"})
    best = float("inf")
    for _ in range(7):
        began = time.perf_counter()
        for _ in range(5000):
            limits.check_fast("chat", "key_1")
        best = min(best, (time.perf_counter() - began) / 5000)
    print(f"{best * 1e6:.2f} µs")
    # 2 µs is the target on a quiet machine; a busy CI machine may be several times slower.
    assert best < 8e-6


# -- Redis -------------------------------------------------------------------------------------------------------------


async def test_processes_count_together_in_redis(settings: Settings, redis_url: str) -> None:
    first, second = (RateLimits({"chat": "4/minute"}, redis_url=redis_url) for _ in range(2))
    identity = f"key_{time.time_ns()}"
    for limits in (first, second, first, second):
        standing = await limits.check("chat", identity)
    assert standing is not None
    assert (standing.limit, standing.remaining) == (4, 0)
    for limits in (first, second):
        with pytest.raises(RateLimited) as refused:
            await limits.check("chat", identity)
        assert refused.value.retry_after is not None
        assert 0 < refused.value.retry_after <= 60
    assert first.shared
    assert not first.state.degraded
    await first.give_back("chat", identity)
    await second.check("chat", identity)
    await first.close()
    await second.close()


async def test_without_redis_each_process_counts_alone_and_says_so(tmp_path: Path) -> None:
    port = free_port()
    limits = RateLimits({"chat": "3/minute"}, redis_url=f"redis://127.0.0.1:{port}/0")
    for _ in range(3):
        await limits.check("chat", "a")
    with pytest.raises(RateLimited):
        await limits.check("chat", "a")
    assert limits.state.degraded
    assert limits.state.reason
    began = time.perf_counter()
    for number in range(200):
        await limits.check("chat", f"b{number}")
    assert time.perf_counter() - began < 1, "a dead Redis slows every request"

    process = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)])
    try:
        limits._redis._rest_until = 0.0  # type: ignore[union-attr]  # the rest of five seconds is over
        deadline = time.monotonic() + 10
        while limits.state.degraded:
            assert time.monotonic() < deadline
            limits._redis._rest_until = 0.0  # type: ignore[union-attr]
            await limits.check("chat", f"c{time.monotonic()}")
            await asyncio.sleep(0.02)
    finally:
        process.terminate()
        process.wait(10)
        await limits.close()
