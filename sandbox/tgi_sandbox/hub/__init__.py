"""A double of the Hugging Face Hub on the loopback interface: what its library asks for to fetch a model."""

from tgi_sandbox.hub.faults import Fault
from tgi_sandbox.hub.repository import Commit, Repository
from tgi_sandbox.hub.server import HubDouble, Request

__all__ = ["Commit", "Fault", "HubDouble", "Repository", "Request"]
