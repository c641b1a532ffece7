"""The event loop of tests that need none."""

import asyncio

# looptime's plugin asks for the event loop before every test. Unless one was set, Python 3.11 would make one for a test
# that is no coroutine, and nobody would close it.
asyncio.set_event_loop(None)
