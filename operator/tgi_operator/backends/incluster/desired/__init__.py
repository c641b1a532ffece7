"""The spec as Kubernetes manifests. Pure."""
