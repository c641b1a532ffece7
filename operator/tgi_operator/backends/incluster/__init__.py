"""TGI in pods of the cluster: a Deployment, a Service, a PodDisruptionBudget, a PVC that a job fills."""
