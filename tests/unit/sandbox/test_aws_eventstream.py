"""Event stream messages, read back by botocore's own parser."""

from __future__ import annotations

from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from tgi_sandbox.aws import eventstream


@given(payloads=st.lists(st.binary(max_size=2000), max_size=5), cut=st.integers(1, 100))
def test_botocore_reads_every_part(payloads: list[bytes], cut: int) -> None:
    stream = b"".join(eventstream.event("PayloadPart", payload) for payload in payloads)
    buffer = EventStreamBuffer()
    events = []
    for start in range(0, len(stream), cut):
        buffer.add_data(stream[start : start + cut])
        events += list(buffer)
    assert [event.payload for event in events] == payloads
    assert all(event.headers[":event-type"] == "PayloadPart" for event in events)


def test_an_exception_in_a_stream() -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(eventstream.exception("ModelStreamError", Message="m", ErrorCode="StreamBroken"))
    (event,) = buffer
    assert event.headers[":message-type"] == "exception"
    assert event.headers[":exception-type"] == "ModelStreamError"
    assert event.payload == b'{"Message": "m", "ErrorCode": "StreamBroken"}'
