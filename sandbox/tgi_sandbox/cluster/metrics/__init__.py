"""Custom metrics of TGI pods: Prometheus scrapes them, prometheus-adapter serves them to HorizontalPodAutoscalers."""

from pathlib import Path

# The adapter's rules, as a user would install them.
RULES = Path(__file__).with_name("rules.yaml")
