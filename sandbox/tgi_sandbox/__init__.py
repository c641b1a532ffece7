"""A whole cloud on one machine, for the demo and the tests: Kubernetes control plane, AWS emulator, TGI simulator."""
