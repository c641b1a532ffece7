"""TGI in pods of the cluster: a Deployment, a Service, a disruption budget, a claim that a job fills with weights."""
