"""TGI in pods of the cluster: a Deployment, a Service, a PodDisruptionBudget, and a PVC that a Job fills."""
