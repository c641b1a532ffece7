"""The accepted findings of the checkers, each with its reason. Findings are not disabled anywhere else."""

from collections.abc import Mapping

_PULLED = "A tag is a version and never moves. A restart must not need the registry; `image.pullPolicy` is a value."
_CPU = (
    "The request guarantees its share. A limit would hold up the renewal of the Lease while the node has CPU to spare."
)

KUBE_SCORE: Mapping[str, str] = {
    "container-image-pull-policy: ImagePullPolicy is not set to Always": _PULLED,
    "container-resources: CPU limit is not set": _CPU,
    "deployment-has-host-podantiaffinity: Deployment does not have a host podAntiAffinity set": (
        "`topologySpreadConstraints` spread the pods over the nodes, and let both run where there is one."
    ),
}
KUBE_SCORE_BY_DEFAULT: Mapping[str, str] = {
    "pod-networkpolicy: The pod does not have a matching egress NetworkPolicy": (
        "`networkPolicy.egress`: which ports and proxies it must let through is known to each cluster only."
    ),
}

CHECKOV: Mapping[str, str] = {
    "CKV_K8S_11: CPU limits should be set": _CPU,
    "CKV_K8S_38: Ensure that Service Account Tokens are only mounted where necessary": (
        "It is necessary: the operator is a client of the API server."
    ),
}
CHECKOV_BY_DEFAULT: Mapping[str, str] = {
    "CKV_K8S_15: Image Pull Policy should be Always": _PULLED,
    "CKV_K8S_43: Image should use digest": (
        "`image.digest`: who installs the operator builds the image, and nobody else knows the digest."
    ),
}
CHECKOV_DOCKERFILE: Mapping[str, str] = {
    "CKV_DOCKER_2: Ensure that HEALTHCHECK instructions have been added to container images": (
        "Kubernetes asks the probes and ignores it; and the image has nothing to run it with."
    ),
    "CKV_DOCKER_7: Ensure the base image uses a non latest version tag": (
        "It reads `FROM ${UV_IMAGE}` without the argument's default, which has a tag."
    ),
}
