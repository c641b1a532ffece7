"""The network of pods and nodes, and the processes behind it.

No pod really runs: KWOK only sets its status. The API server reaches pods and kubelets through an HTTP proxy
(`--egress-selector-config-file`), and that proxy is in this package. On the first connection to a pod, it starts a
process in place of the container: a TGI simulator. It also acts as the kubelet of all nodes for logs, and ensures that
a pod whose launcher would refuse to start is not shown as healthy.
"""
