"""Values that turn every switch on."""

from typing import Any

EVERYTHING: dict[str, Any] = {
    "watchNamespaces": ["ml", "dev"],
    "settings": {"httpPort": 9000, "clusterId": "blue", "metricsAuth": "on"},
    "aws": {"region": "eu-west-1"},
    "imagePullSecrets": [{"name": "regcred"}],
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
    "extraEnvFrom": [{"configMapRef": {"name": "more"}}],
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/tgi-operator"}},
    "allowedServiceAnnotations": ["prometheus.io/*"],
    "rbac": {"freeGPUs": True},
    "podAnnotations": {"a": "b"},
    "podLabels": {"c": "d"},
    "priorityClassName": "system-cluster-critical",
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "control", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "networkPolicy": {
        "egress": True,
        "metricsFrom": [{"namespaceSelector": {}}],
        "extraEgress": [{"ports": [{"port": 3128}]}],
        "servingPodsFrom": ["gateway", "monitoring"],
    },
    "metrics": {
        "serviceMonitor": {"enabled": True, "interval": "30s", "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
        "dashboards": {"enabled": True, "annotations": {"folder": "TGI"}},
    },
}
