"""An emulator of the Hugging Face Hub on the loopback interface: the requests of its library to fetch a model."""

from tgi_sandbox.hub.faults import Fault
from tgi_sandbox.hub.repository import Commit, Repository
from tgi_sandbox.hub.server import HubDouble, Request

__all__ = ["Commit", "Fault", "HubDouble", "Repository", "Request"]
