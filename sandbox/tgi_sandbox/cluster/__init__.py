"""The Kubernetes control plane of the sandbox: its programs, its components and its nodes."""

from tgi_sandbox.cluster.control_plane import ControlPlane

__all__ = ["ControlPlane"]
