"""The network of pods and nodes, and the processes behind it.

No pod runs anywhere: KWOK only says so. The API server reaches pods and kubelets through an HTTP proxy
(`--egress-selector-config-file`), and that proxy is here: it starts what a pod's container would run, a TGI simulator,
when somebody first connects to it. It is also all nodes' kubelet where logs are asked for, and sees to it that a pod
whose launcher would refuse to start does not look healthy.
"""
