"""Who may use the MCP, how much and how fast; and what a flood does not do."""

import time

import pytest

import codec
from scene import (DEBUG, MCP4, RAW_SERVER4, RAW_SERVER6, SERVER4, Server, all_quiet, count, ctl,
                   is_reset_of, play, raw_client, table, until)
from wire import ACK, MP_CAPABLE, PLAIN_OPTIONS, RST, SYN, SYN_OPTIONS, Answering, tcp_packet

pytest_plugins = ["scene"]

MP_CONVERT = codec.mp_convert(RAW_SERVER4, 80)
CONVERT = codec.convert(RAW_SERVER4, 80)


@pytest.fixture
def servers(server_wire):
    with Answering(server_wire, lambda syn, before: 0, [RAW_SERVER4, RAW_SERVER6]) as server:
        yield server


def three(client_wire, family=4, address=None, **kwargs):
    """What MP_CONVERT, Convert and a bare SYN of such a client come to."""
    trials = [(raw_client(client_wire, family, address), request)
              for request in (MP_CONVERT, CONVERT, b"")]
    results = play(client_wire, trials, **kwargs)
    return [result if isinstance(result, str) else codec.read_error(result) for result in results]


REFUSED = ["reset", (codec.NOT_AUTHORIZED, b"\0"), "reset"]
SERVED = ["accepted"] * 3


@pytest.mark.parametrize("family", [4, 6])
def test_nothing_is_open(mcp, client_wire, servers, family):
    """An MCP that was brought up serves nobody."""
    counted = mcp(acl=())
    assert three(client_wire, family) == REFUSED
    counted.wait(refused_acl=3, reply_reset=2, reply_error=1, dial=0, session_new=0,
                 session_error_sent=1)
    all_quiet()


@pytest.mark.parametrize("family", [4, 6])
def test_stranger_with_join(mcp, client_wire, family):
    """Options of an MP_JOIN do not lead past the access list: what looks like
    one and is none is refused like any other SYN."""
    counted = mcp(acl=())
    joins = [b"\x1e\x10\x10\1" + bytes(12),             # the length of a SYN/ACK's
             MP_CAPABLE + b"\x1e\x0c\x10\1" + bytes(8)]  # another connection as well
    for number, join in enumerate(joins):
        for payload in MP_CONVERT, b"":
            client = raw_client(client_wire, family)
            client.syn(payload, options=PLAIN_OPTIONS + join)
            assert is_reset_of(client.answer(), client)
    counted.wait(refused_acl=4, session_new=0)
    assert count()["total"] == 0


@pytest.mark.parametrize("way", ["reset", "wait"])
def test_stranger_after_refusal(mcp, client_wire, way):
    """A stranger cannot make a connection of the SYN/ACK that an Error TLV
    would have come by."""
    counted = mcp("request-timeout 300ms syn-timeout 1s", acl=())
    client = raw_client(client_wire)
    client.syn(CONVERT)
    synack = client.answer()
    assert synack.flags == SYN | ACK
    if way == "reset":
        client.send(RST, seq=client.isn + 1)
    all_quiet()
    client.establish(synack)
    client.data(MP_CONVERT)
    client.stream(0.5)
    counted.wait(session_new=0, session_bound=0, dial=0)
    assert count()["total"] == 0


def test_stranger_replaces_nothing(mcp, client_wire, server_wire):
    """A held SYN is replaced by one that is to be served, and by no other."""
    counted = mcp("hold-timeout 20s")
    with Answering(server_wire, lambda syn, before: None, [RAW_SERVER4]) as server:
        client = raw_client(client_wire)
        client.syn(MP_CONVERT)
        syn = until(lambda: server.syns and server.syns[0])
        forger = raw_client(client_wire, 4, client.address, client.port)
        for payload in b"garbage", codec.mp_convert("127.0.0.1", 80), MP_CONVERT[:9]:
            forger.syn(payload)
        counted.wait(refused_not_a_request=1, refused_destination=1, refused_malformed=1)
        assert counted["syn-replaced"] == 0 and count()["total"] == 1
        client_wire.drain()
        server.accept(syn)
        answer = client.answer()
        assert answer.flags == SYN | ACK and answer.ack == client.seq
        client.establish(answer)
        counted.wait(session_bound=1)
    client.reset()
    all_quiet()


@pytest.mark.parametrize("family", [4, 6])
def test_silent_refusal(mcp, client_wire, servers, family):
    """With refusal silent, who is not allowed hears nothing."""
    counted = mcp("refusal silent", acl=())
    assert three(client_wire, family, patience=0.6) == ["silence"] * 3
    counted.wait(refused_acl=3, reply_reset=0, reply_error=0, reply_suppressed=0, session_new=0)
    assert count()["total"] == 0


def test_prefixes(mcp, client_wire, servers):
    """A client is served if its address is in one of the prefixes."""
    mcp(acl=("10.77.4.0/22", "10.77.9.1", "fd77:0:0:8000::/49", "fd77:0:0:9::7"))
    cases = {
        "10.77.3.255": REFUSED, "10.77.4.0": SERVED, "10.77.7.255": SERVED, "10.77.8.0": REFUSED,
        "10.77.9.0": REFUSED, "10.77.9.1": SERVED, "10.77.9.2": REFUSED,
        "fd77:0:0:7fff::1": REFUSED, "fd77:0:0:8000::": SERVED, "fd77:0:0:ffff:f::": SERVED,
        "fd77:0:0:9::6": REFUSED, "fd77:0:0:9::7": SERVED, "fd77:0:0:9::8": REFUSED,
    }
    for address, wanted in cases.items():
        assert three(client_wire, 6 if ":" in address else 4, address) == wanted, address
    hits = {f"{row['prefix']}": row["hits"] for row in table("acl show")}
    assert sum(hits.values()) >= 10, hits
    ctl("session flush")
    all_quiet()


def test_interface(mcp, client_wire, servers):
    """An entry with an interface is for what comes in by it, and that alone."""
    mcp(acl=("10.77.0.0/16 dev mc1",))
    assert three(client_wire) == REFUSED
    ctl("acl add 10.77.0.0/16 dev mc0")
    assert three(client_wire) == SERVED
    ctl("acl del 10.77.0.0/16 dev mc0")
    assert three(client_wire) == REFUSED
    ctl("acl add fd77::/48 dev nonesuch")
    assert three(client_wire, 6) == REFUSED
    ctl("session flush")


def test_removal_leaves_sessions(mcp, client_wire):
    """A client whose entry is taken back keeps the sessions that it has."""
    counted = mcp()
    with Server():
        client = raw_client(client_wire)
        client.syn(codec.mp_convert(SERVER4, 80))
        client.establish(client.answer())
        counted.wait(session_bound=1)
        ctl("acl flush")
        client.data(b"still there?")
        stream, _ = client.stream(5, lambda octets: len(octets) >= 12)
        assert stream == b"still there?"
        again = raw_client(client_wire, address=client.address)
        again.syn(codec.mp_convert(SERVER4, 80))
        assert is_reset_of(again.answer(), again)
        counted.wait(refused_acl=1, session_new=1)
        client.reset()
    all_quiet()


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("setting, reason", [
    ("max-half-open-client 3", "refused-half-open-client"),
    ("max-sessions 3", "refused-max-sessions")])
def test_half_open_limits(mcp, client_wire, server_wire, family, setting, reason):
    """A client with as many waiting sessions as it may have is refused, and
    is served again when there are less."""
    counted = mcp(f"hold-timeout 20s {setting}")
    with Answering(server_wire, lambda syn, before: None, [RAW_SERVER4]) as server:
        first = raw_client(client_wire, family)
        address = first.address if "client" in setting else None
        holding = [first] + [raw_client(client_wire, family, address) for _ in range(2)]
        for client in holding:
            client.syn(MP_CONVERT)
        until(lambda: count()["half_open"] == 3)
        refused = [(raw_client(client_wire, family, address), request)
                   for request in (MP_CONVERT, CONVERT)]
        reset, error = play(client_wire, refused)
        assert reset == "reset"
        assert codec.read_error(error) == (codec.RESOURCE_EXCEEDED, b"\0")
        counted.wait(session_new=3, dial=3, **{reason: 2})
        if "client" in setting:
            other = raw_client(client_wire, family)
            other.syn(MP_CONVERT)
            counted.wait(session_new=4)
            other.send(RST, seq=other.seq)
        # One is taken back, another one is answered: room for one or two.
        holding[0].send(RST, seq=holding[0].seq)
        counted.wait(session_client_reset=1 + ("client" in setting))
        server.accept(next(syn for syn in server.syns))
        for syn in server.syns[:]:
            server.accept(syn)
        again = raw_client(client_wire, family, address)
        new = counted["session-new"]
        until(lambda: count()["total"] < 3 or "max-sessions" not in setting)
        again.syn(MP_CONVERT)
        counted.wait(session_new=new + 1)
    ctl("session flush")
    all_quiet()


def test_half_open_released_by_error(mcp, client_wire):
    """A refused dial is no half-open session any more."""
    counted = mcp("max-half-open-client 2")
    client = raw_client(client_wire)
    for number in range(6):
        client = raw_client(client_wire, address=client.address)
        client.syn(codec.mp_convert(SERVER4, 81))
        assert is_reset_of(client.answer(), client)
        all_quiet()
    counted.wait(dial_refused=6, refused_half_open_client=0)
    all_quiet()


def test_session_rate(mcp, client_wire, servers):
    """A client may begin so many sessions at once and so many a second."""
    counted = mcp("session-rate 2 session-burst 10 max-half-open-client 1000")
    first = raw_client(client_wire)
    trials = [(first, MP_CONVERT)] + [(raw_client(client_wire, 4, first.address), MP_CONVERT)
                                      for _ in range(39)]
    began = time.monotonic()
    results = play(client_wire, trials)
    took = time.monotonic() - began
    served = results.count("accepted")
    assert 10 <= served <= 11 + 2 * took
    assert results.count("reset") == 40 - served
    counted.wait(refused_rate=40 - served, session_new=served)
    # Others are not concerned, and the bucket is filled again.
    assert play(client_wire, [(raw_client(client_wire), MP_CONVERT)]) == ["accepted"]
    until(lambda: play(client_wire, [(raw_client(client_wire, 4, first.address), MP_CONVERT)])
          == ["accepted"])
    ctl("session flush")
    all_quiet()


def test_no_session_rate(mcp, client_wire, servers):
    """Rate 0 is no limit."""
    counted = mcp("session-rate 0 session-burst 1")
    first = raw_client(client_wire)
    trials = [(raw_client(client_wire, 4, first.address), MP_CONVERT) for _ in range(50)]
    assert play(client_wire, trials) == ["accepted"] * 50
    counted.wait(refused_rate=0, session_new=50)
    all_quiet()


def test_error_rate(mcp, client_wire):
    """So many Error TLVs a second for one client; the rest is a RST."""
    counted = mcp("error-rate 5", acl=())
    first = raw_client(client_wire)
    trials = [(raw_client(client_wire, 4, first.address), CONVERT) for _ in range(40)]
    began = time.monotonic()
    results = play(client_wire, trials)
    took = time.monotonic() - began
    errors = [result for result in results if result not in ("reset", "silence")]
    assert 5 <= len(errors) <= 6 + 5 * took
    assert all(codec.read_error(error)[0] == codec.NOT_AUTHORIZED for error in errors)
    assert "silence" not in results
    counted.wait(reply_error=len(errors), refused_acl=40, reply_reset=40 - len(errors))
    other = raw_client(client_wire)
    assert codec.read_error(play(client_wire, [(other, CONVERT)])[0])[0] == codec.NOT_AUTHORIZED
    all_quiet()


def test_error_rate_zero(mcp, client_wire):
    """Error rate 0 is no Error TLV at all."""
    counted = mcp("error-rate 0", acl=())
    assert play(client_wire, [(raw_client(client_wire), CONVERT)]) == ["reset"]
    counted.wait(reply_error=0, refused_acl=1)


def test_reset_rate(mcp, client_wire):
    """A flood of refused SYNs is not a flood of RSTs."""
    counted = mcp(acl=())
    first = raw_client(client_wire)
    trials = [(raw_client(client_wire, 4, first.address), MP_CONVERT) for _ in range(400)]
    began = time.monotonic()
    results = play(client_wire, trials, patience=0.6)
    resets = results.count("reset")
    assert 100 <= resets <= 101 + 100 * (time.monotonic() - began)
    counted.wait(refused_acl=400, reply_reset=resets, reply_suppressed=400 - resets)


def slab_objects():
    """Sessions in memory, as the slab sees them."""
    with open("/proc/slabinfo") as file:
        for line in file:
            if line.startswith("mcp_session "):
                return int(line.split()[1])
    return None


def flood(wire, number, request, prefix):
    """SYNs with a request from so many addresses."""
    for index in range(number):
        address = f"{prefix}.{index // 250 % 250}.{1 + index % 250}"
        wire.send(tcp_packet(address, 1024 + index % 60000, MCP4, 5124, SYN, index * 7919,
                             payload=request, options=SYN_OPTIONS))


@pytest.mark.parametrize("request_", [MP_CONVERT, CONVERT])
def test_flood_from_outside(mcp, client_wire, servers, request_):
    """Five thousand forged requests of strangers cost no memory that lasts,
    and keep nobody from being served."""
    counted = mcp("max-half-open 200", acl=("10.77.0.0/16",))
    flood(client_wire, 5000, request_, "10.78")
    assert count()["total"] <= 1024
    client = raw_client(client_wire)
    assert play(client_wire, [(client, MP_CONVERT)]) == ["accepted"]
    until(lambda: counted["refused-acl"] == 5000)
    counted.wait(session_new=1, dial=1)
    if request_ == MP_CONVERT:
        all_quiet()
    else:
        # Those who are told an error are waited for.
        ctl("session flush")
        all_quiet()


def test_flood_from_inside(mcp, client_wire):
    """Five thousand forged requests of clients that are served fill the table
    up to its limit, and no further than it takes to end the oldest ones."""
    counted = mcp("max-half-open 300 hold-timeout 20s syn-timeout 2s", acl=("10.76.0.0/14",))
    with Server():
        flood(client_wire, 5000, MP_CONVERT, "10.78")
        most = count()
        assert most["half_open"] <= 300 + 300 // 16 + 16
        assert most["total"] <= most["half_open"] + 1024
        until(lambda: counted["session-new"] + counted["refused-half-open"] == 5000)
        assert counted["session-new"] >= 300

        def served():
            client = raw_client(client_wire)
            return play(client_wire, [(client, codec.mp_convert(SERVER4, 80))],
                        patience=0.6) == ["accepted"]
        until(served, 20)
    until(lambda: count()["total"] == 0, 20)
    objects = slab_objects()
    # KASAN keeps what was freed for a while.
    assert DEBUG or objects is None or objects < 1000


def test_limit_of_clients_is_told(mcp, client_wire, servers):
    """session count names how many clients there are."""
    mcp("hold-timeout 20s")
    trials = [(raw_client(client_wire, family), MP_CONVERT)
              for family in (4, 6) for _ in range(10)]
    for client, request in trials:
        client.syn(request)
    until(lambda: count()["clients"] >= 20)
    ctl("session flush")
    all_quiet()
