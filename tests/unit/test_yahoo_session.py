"""yfinance's private parts are what they were, and cookie and crumb cost what they should."""

from __future__ import annotations

import hashlib
import inspect
import threading
import time

import pytest
import yfinance
from yfinance import _http
from yfinance.data import SingletonMeta, YfData

from pipeline.errors import ConfigError
from pipeline.sources.yahoo_rows import FIELDS
from pipeline.sources.yahoo_session import NoAnswer, YahooSession
from tests.loopback_yahoo import LoopbackYahoo

RELIED_ON = (
    SingletonMeta.__call__, YfData.__init__, YfData._set_session, YfData._set_cookie_strategy, YfData._get_cookie_basic,
    YfData._get_crumb_basic, YfData._get_cookie_and_crumb_basic, YfData._get_cookie_csrf, YfData._get_crumb_csrf,
    YfData._get_cookie_and_crumb, YfData._load_cookie_curlCffi, YfData._save_cookie_curlCffi,
    _http.is_supported_session,
)  # fmt: skip
READ_DIGEST = "34e3322231237d7e"


@pytest.fixture
def yahoo():
    with LoopbackYahoo() as server:
        server.set_quote("AAA", 10.0, 9.0)
        yield server


@pytest.fixture
def session(yahoo):
    made = YahooSession(yahoo.url, crumb_timeout_s=1.0)
    yield made
    made.close()


def _ask(session: YahooSession, wait_s: float = 10.0):
    return session.quotes(["AAA"], FIELDS, time.monotonic() + wait_s)


def test_yfinances_private_parts_are_those_that_were_read():
    """Fails after an upgrade of yfinance: read these functions again, then set the digest (and the pin)."""
    sources = "".join(inspect.getsource(function) for function in RELIED_ON)
    assert (yfinance.__version__, hashlib.sha256(sources.encode()).hexdigest()[:16]) == ("1.7.0", READ_DIGEST)


def test_cookie_and_crumb_cost_two_requests_once(yahoo, session):
    assert _ask(session).status == 200
    assert _ask(session).status == 200
    assert yahoo.requests == {"cookie": 1, "crumb": 1, "quote": 2}
    assert session.sent == 4


def test_a_session_of_ours_leaves_the_programs_own_yfinance_alone(yahoo, session):
    before = dict(SingletonMeta._instances)
    _ask(session)
    assert before == SingletonMeta._instances


def test_refusals_of_many_threads_renew_the_crumb_once(yahoo, session):
    _ask(session)
    yahoo.requests.clear()
    yahoo.expire_crumb()
    gate, statuses = threading.Barrier(4), []

    def ask() -> None:
        gate.wait(10)
        statuses.append(_ask(session).status)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert statuses == [200] * 4
    assert yahoo.requests["crumb"] == 1


def test_a_crumb_that_stays_refused_is_renewed_once_only(yahoo, session):
    yahoo.behave("status", status=401)
    assert _ask(session).status == 401
    assert yahoo.requests["crumb"] == 2


def test_a_rate_limited_crumb_is_a_429_with_its_patience_and_is_not_kept(yahoo, session):
    yahoo.behave("status", path="crumb", status=429, times=1, headers={"Retry-After": "7"})
    limited = _ask(session)
    assert (limited.status, limited.retry_after_s) == (429, 7.0)
    assert _ask(session).status == 200


@pytest.mark.parametrize("body", ["<html><body>consent</body></html>", "", '{"finance":{"result":null}}'])
def test_a_page_in_place_of_a_crumb_is_not_taken_for_one(yahoo, session, body):
    yahoo.behave("body", path="crumb", body=body)
    with pytest.raises(NoAnswer):
        _ask(session)
    yahoo.recover()
    assert _ask(session).status == 200


@pytest.mark.parametrize("path", ["cookie", "crumb", "quote"])
def test_a_server_that_hangs_is_left_at_the_deadline_for_all_threads(yahoo, session, path):
    yahoo.behave("hang", path=path)
    reasons = []

    def ask() -> None:
        try:
            _ask(session, wait_s=0.5)
        except NoAnswer as error:
            reasons.append(str(error))

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)  # the server hangs for 120 s, and is let go by the fixture only after this
    assert len(reasons) == 3
    assert all(reason.isprintable() for reason in reasons)


def test_a_refused_connection_is_one_line_without_the_crumb(yahoo, session):
    _ask(session)
    yahoo.close()
    with pytest.raises(NoAnswer) as no_answer:
        _ask(session)
    assert "refused" in str(no_answer.value) or "broke off" in str(no_answer.value)
    assert yahoo.crumb not in str(no_answer.value)


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://x", "127.0.0.1:80", "http://", "http://localhost:abc", "http://localhost:99999", "http://[x"),
        *("http://u:12/s3cret@localhost", "ftp://u:s3cret@localhost"),
    ],
)
def test_a_base_url_that_is_none_is_a_configuration_error_without_its_password(url):
    with pytest.raises(ConfigError, match="Yahoo URL") as caught:
        YahooSession(url)
    assert "s3cret" not in str(caught.value)
